"""`minicnn bench`: how fast networks and operations are, beside PyTorch or another algorithm.

    networks.py        whole networks: jobs, turns, comparison of losses        layers.py       single operations on the shapes of shapes.py
    turns.py           processes that compute one at a time                     engine.py       what the processes of both engines share
    ours.py            minicnn's process        operations.py       … for single operations
    torch_worker.py    PyTorch's process        torch_operations.py … for single operations        tuning.py   its best settings
    plan.py            a network as a list of operations                        replay.py       that list run by PyTorch
    process.py         memory and environment of a process                      machine.py      what a measurement was made on
    on_gpu.py          whole networks on a GPU                                  gpu_report.py   … in words
    report.py          tables and JSON                                          chart.py        pictures

PyTorch is imported by torch_worker.py and what it imports alone, in a process of its own.
"""
