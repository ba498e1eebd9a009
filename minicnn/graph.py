"""Looking ahead in a graph: which Ops a backward has to visit at all."""


def leading_to(targets, edges) -> set:
    """The Ops behind the edges through which a gradient reaches one of the target edges: the others need not run.

    A node with edges of its own is an Op; one without is a leaf. Nothing beyond a target is looked at.
    """
    ops, queue = set(), [node for node, _ in edges]
    while queue:
        op = queue.pop()
        if hasattr(op, "edges") and op not in ops:
            ops.add(op)
            queue.extend(edge[0] for edge in op.edges if edge is not None and edge not in targets)
    leading = set()
    for op in sorted(ops, key=lambda op: op.birth):                       # the makers of its inputs come before an Op
        if any(edge in targets or edge[0] in leading for edge in op.edges if edge is not None):
            leading.add(op)
    return leading
