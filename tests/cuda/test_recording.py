"""What is recorded of a kernel, against what every course says of such kernels, and against counts by hand."""
from functools import cache

import numpy as np
import pytest

from minicnn.kernels.cuda.emulator import CudaError, RawModule
from minicnn.kernels.cuda.emulator.lockstep import Cost
from minicnn.kernels.cuda.emulator.recording import ADDS, Launch, Line, MEETS, PASSES, READS, Recorded, WAITS, WRITES

from .on_device import ON_GPU, needs_cuda

pytestmark = [needs_cuda, pytest.mark.skipif(ON_GPU, reason="what the emulator records")]
SOURCE = """struct Pair { double sum; double squares; };
template <int COLUMNS> __global__ void transpose(const float* x, float* y) {
    __shared__ float tile[32][COLUMNS];
    tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
    __syncthreads();
    y[threadIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
__global__ void apart(const float* x, float* y, int step) { y[threadIdx.x] = x[threadIdx.x * step]; }
__global__ void by_fours(const float4* x, float4* y) {
    const float4 v = x[threadIdx.x];
    y[threadIdx.x] = make_float4(v.x, v.y, v.z, v.w + 1);
}
__global__ void copied(const float4* x, float4* y) { y[7 - threadIdx.x] = x[threadIdx.x]; }
__global__ void written_twice(const float* x, float* y) {
    y[threadIdx.x] = 5;
    const float v = x[threadIdx.x];
    y[threadIdx.x] = v;
}
__global__ void sums_of_two(const float* x, float* y) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = x[i] + x[i + 1];
}
__global__ void every_other(const float* x, float* y) {
    float sum = 0;
    for (int k = 0; k < 4; ++k) {
        if ((threadIdx.x + k) % 2 == 0) continue;
        sum += x[k * 32 + threadIdx.x];
    }
    y[threadIdx.x] = sum;
}
__global__ void one_longer(const float* x, float* y) {
    float sum = 0;
    for (unsigned k = 0; k <= threadIdx.x; ++k) sum += x[k];
    y[threadIdx.x] = sum;
}
__global__ void twice(const double* x, double* y) {
    __shared__ double kept[2][24];
    kept[0][threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    kept[1][threadIdx.x] = kept[0][23 - threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = kept[1][threadIdx.x];
}
__global__ void counted(const int* x, int* bins) { atomicAdd(&bins[x[threadIdx.x]], 1); }
__device__ float doubled(const float* x, int i) {
    return 2 * x[i];
}
__global__ void calls(const float* x, float* y) {
    extern __shared__ float lent[];
    lent[threadIdx.x] = doubled(x, threadIdx.x);
    y[threadIdx.x] = __shfl_xor_sync(0xffffffff, lent[threadIdx.x], 1);
}
__global__ void pairs(const double* x, double* y) {
    __shared__ Pair of[32];
    of[threadIdx.x] = Pair{x[threadIdx.x], x[threadIdx.x] * x[threadIdx.x]};
    y[threadIdx.x] = of[threadIdx.x].squares;
}
__global__ void behind(const float* x, float* y) {
    const float v = x[threadIdx.x];
    y[threadIdx.x + 1] = v;
}
"""
NAMES = ("transpose<32>", "transpose<33>", "apart", "by_fours", "copied", "written_twice", "sums_of_two", "every_other", "one_longer",
         "twice", "counted", "calls", "pairs", "behind")


@cache
def module() -> RawModule:
    return RawModule(code=SOURCE, name_expressions=NAMES, mode="walk", file="lessons.cu")


def launch(name: str, grid, block, *arguments, recorded: int = 0, **how) -> Launch:
    kernel, found = module().get_function(name), Recorded(recorded)
    try:
        kernel(grid, block, arguments, trace=100_000, trace_block=recorded, **how)
    finally:
        found.add(kernel, grid, block)
    return found.launches[0]


def line(text: str) -> int:
    """The number of the one line that has the text."""
    found, = (n for n, source in enumerate(SOURCE.splitlines(), 1) if text in source)
    return found


def costs(recorded: Launch) -> dict:
    return {(c.line, recorded.arrays[c.array].name, c.act): (c.requests, c.each, c.best) for c in recorded.costs}


def counting(*shape: int, dtype: str = "f4") -> np.ndarray:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


# ---- memory

@pytest.mark.parametrize("columns, ways", [(32, 32), (33, 1)])
def test_a_column_of_a_tile_lies_in_one_bank_unless_rows_are_longer(columns, ways):
    x, y = counting(32, 32), np.zeros((32, 32), "f4")
    recorded = launch(f"transpose<{columns}>", (1,), (32, 32), x, y)
    np.testing.assert_array_equal(y, x.T)
    stores, loads = line("tile[threadIdx.y][threadIdx.x] ="), line("= tile[threadIdx.x]")
    assert costs(recorded) == {
        (stores, "x", READS): (32, 4, 4), (stores, "tile", WRITES): (32, 1, 1),
        (loads, "tile", READS): (32, ways, 1), (loads, "y", WRITES): (32, 4, 4)}
    assert [(a.name, a.shape, a.shared) for a in recorded.arrays][2] == ("tile", (32, columns), True)


@pytest.mark.parametrize("step, sectors", [(1, 4), (2, 8), (3, 12), (8, 32), (32, 32), (0, 1)])
def test_neighbours_lie_in_four_sectors_and_scattered_numbers_in_up_to_32(step, sectors):
    recorded = launch("apart", (1,), (32,), counting(32 * 32), np.zeros(32, "f4"), np.int32(step))
    loads, stores = costs(recorded)[line("void apart"), "x", READS], costs(recorded)[line("void apart"), "y", WRITES]
    assert loads == (1, sectors, 4 if step else 1) and stores == (1, 4, 4)


def test_loads_of_four_floats_take_sixteen_sectors_and_none_is_wasted():
    x, y = counting(128), np.zeros(128, "f4")
    recorded = launch("by_fours", (1,), (32,), x, y)
    assert {key[2]: value for key, value in costs(recorded).items()} == {READS: (1, 16, 16), WRITES: (1, 16, 16)}
    load, store = recorded.walk(5)
    assert load.accesses[0].index == 20 and load.accesses[0].values == (20, 21, 22, 23) and store.accesses[0].values == (20, 21, 22, 24)


def test_a_copy_loads_before_it_stores():
    recorded = launch("copied", (1,), (8,), counting(32), np.zeros(32, "f4"))
    load, store = (a for s in recorded.walk(2) for a in s.accesses)
    assert (load.act, load.index, load.values) == (READS, 8, (8, 9, 10, 11)) and store == load._replace(act=WRITES, array=1, index=20)


def test_each_store_has_its_own_value():
    recorded = launch("written_twice", (1,), (8,), counting(8), np.zeros(8, "f4"))
    assert [(a.act, a.values) for s in recorded.walk(3) for a in s.accesses] == [(WRITES, (5,)), (READS, (3,)), (WRITES, (3,))]


def test_doubles_of_neighbours_conflict_with_nobody():
    """24 doubles are 48 words: two rounds of the banks are needed in any case."""
    recorded = launch("twice", (1,), (24,), counting(24, dtype="f8"), np.zeros(24))
    shared = [c for c in recorded.costs if recorded.arrays[c.array].shared]
    assert len(shared) == 4 and all((c.each, c.best, c.worst) == (2, 2, 2) for c in shared)


# ---- lanes in step

def of_x(recorded: Launch) -> list[list[tuple[int, int]]]:
    """For each request of x by warp 0: (lane, element) of those that took part."""
    return [[(int(lane), int(recorded.events["offset"][r.events[lane]]) // 4) for lane in r.lanes]
            for r in recorded.requests(0) if r.act == READS and recorded.arrays[recorded.array_of(r)].name == "x"]


def test_lanes_that_skip_a_turn_are_not_taken_for_those_of_the_next():
    """In turn k the lanes of the other parity load from row k: four requests of 16 lanes, each from one row."""
    recorded = launch("every_other", (1,), (32,), counting(4, 32), np.zeros(32, "f4"))
    assert of_x(recorded) == [[(lane, 32 * k + lane) for lane in range(32) if (lane + k) % 2] for k in range(4)]


def test_lanes_leave_a_loop_one_by_one():
    recorded = launch("one_longer", (1,), (32,), counting(32), np.zeros(32, "f4"))
    assert of_x(recorded) == [[(lane, k) for lane in range(k, 32)] for k in range(32)]
    store, = (r for r in recorded.requests(0) if r.act == WRITES)
    assert len(store.lanes) == 32 and recorded.cost(store) == Cost(4, 4)


def test_a_warp_that_is_not_full():
    recorded = launch("apart", (1,), (40,), counting(40), np.zeros(40, "f4"), np.int32(1))
    assert [len(r.lanes) for r in recorded.requests(1) if r.act < PASSES] == [8, 8] and recorded.requests(2) == []


# ---- threads, elements, phases

def test_readers_and_writers_by_hand():
    """y[i] = x[i] + x[i + 1]: an element of x has two readers, but the first and the last of the block."""
    recorded = launch("sums_of_two", (2,), (4,), counting(9), np.zeros(8, "f4"))
    assert recorded.readers_and_writers(0) == ({0: [0], 1: [0, 1], 2: [1, 2], 3: [2, 3], 4: [3]}, {})
    assert recorded.readers_and_writers(1) == ({}, {0: [0], 1: [1], 2: [2], 3: [3]})


def test_another_block():
    recorded = launch("sums_of_two", (2,), (4,), counting(9), np.zeros(8, "f4"), recorded=1)
    assert recorded.readers_and_writers(0)[0] == {4: [0], 5: [0, 1], 6: [1, 2], 7: [2, 3], 8: [3]}
    step, = recorded.walk(2)
    assert [(a.act, a.index, a.values) for a in step.accesses] == [(READS, 6, (6,)), (READS, 7, (7,)), (WRITES, 6, (13,))]


def test_barriers_part_the_walk_into_phases():
    x = counting(24, dtype="f8")
    recorded = launch("twice", (1,), (24,), x, np.zeros(24))
    walk, shown = recorded.walk(3), {READS: "=", WRITES: "<-"}
    assert [(s.phase, s.act == WAITS) for s in walk] == [(0, False), (0, True), (1, False), (1, True), (2, False)]
    assert [[f"{recorded.arrays[a.array].element(a.index)} {shown[a.act]} {a.values[0]:g}" for a in s.accesses] for s in walk] == [
        ["x[3] = 3", "kept[0, 3] <- 3"], [], ["kept[0, 20] = 20", "kept[1, 3] <- 20"], [], ["kept[1, 3] = 20", "y[3] <- 20"]]
    assert SOURCE.splitlines()[walk[1].place.line - 1].strip() == "__syncthreads();"


def test_atomic_operations_read_and_write():
    recorded = launch("counted", (1,), (6,), np.array([0, 1, 0, 2, 1, 0], "i4"), np.zeros(3, "i4"))
    who = {0: [0, 2, 5], 1: [1, 4], 2: [3]}
    assert recorded.readers_and_writers(1) == (who, who)
    assert [s.accesses[-1].values for s in (recorded.walk(t)[0] for t in (0, 2, 5))] == [(1,), (2,), (3,)]
    request, = (r for r in recorded.requests(0) if r.act == ADDS)
    assert len(request.lanes) == 6


def test_a_line_knows_the_lines_that_lead_to_it():
    y = np.zeros(32, "f4")
    recorded = launch("calls", (1,), (32,), counting(32), y, shared_mem=128)
    walk, outer = recorded.walk(6), line("lent[threadIdx.x] = doubled")
    load = walk[0].place
    assert load.line == line("return 2 * x[i];") and [n for _, n in load.calls] == [outer] and recorded.label(load.path) == "lessons.cu"
    assert [s.act for s in walk] == [READS, WRITES, READS, MEETS, WRITES]
    assert [s.place.line for s in walk[1:]] == [outer] + 3 * [line("__shfl_xor_sync")]
    lent = recorded.arrays[2]
    assert (lent.name, lent.shape, lent.shared) == ("lent", (32,), True) and y[6] == 14


def test_a_shared_array_of_structures_is_one_of_numbers():
    recorded = launch("pairs", (1,), (32,), counting(32, dtype="f8"), np.zeros(32))
    of = recorded.arrays[2]
    assert (of.shape, of.dtype) == ((32, 2), np.float64) and of.element(7) == "of[3, 1]"
    stored = [a for s in recorded.walk(3) for a in s.accesses if a.array == 2 and a.act == WRITES]
    assert [v for a in stored for v in a.values] == [3, 9]


def test_how_often_lines_run():
    recorded = launch("every_other", (1,), (40,), counting(4, 40), np.zeros(40, "f4"))
    lines = {number: count for (_, number), count in recorded.lines.items()}
    assert lines[line("sum += x[k * 32")] == Line(40, 80)
    assert lines[line("% 2 == 0) continue")] == Line(40, 160)


def test_places_of_elements():
    array = launch("transpose<33>", (1,), (32, 32), counting(32, 32), np.zeros((32, 32), "f4")).arrays[2]
    assert array.element(34) == "tile[1, 1]" and array.index((1, 1)) == 34 and "outside" in array.element(32 * 33)
    with pytest.raises(ValueError, match=r"tile has the shape 32×33; there is no element tile\[1, 33\]"):
        array.index((1, 33))
    with pytest.raises(ValueError, match=r"there is no element tile\[1\]"):
        array.index((1,))


def test_a_fault_ends_the_recording_and_not_before():
    kernel, x = module().get_function("behind"), counting(32)
    with pytest.raises(CudaError, match=r"write outside y\[32\], of 32 elements at lessons.cu"):
        kernel((1,), (32,), (x, np.zeros(32, "f4")), trace=1000)
    found = Recorded(0)
    found.add(kernel, (1,), (32,))
    assert found.launches[0].walk(31)[-1].accesses[-1].array == 0 and len(found.launches[0].walk(30)) == 2
