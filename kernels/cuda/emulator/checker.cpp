// Watches every load and store of a kernel.
//
// g++ -fsanitize=thread puts a call before each of them, __tsan_read4(address) and the like. Those functions are defined here, in the place
// of ThreadSanitizer's own, and ask:
//   is the address inside an array?      exactly: to the byte, of the arguments' arrays and of the shared ones
//   is there a race?                     whether an earlier access of the same element by another thread, one of the two a write, is ordered
//                                        before this one: by a barrier of the block, by a meeting of lanes of one warp; by nothing between
//                                        two blocks. Two atomic accesses do not race.
//   has it been written?                 a shared array holds nothing when its block begins
// A meeting of part of a warp counts as one of all its lanes: a race between two such parts can be missed.
// For each element (4 bytes) the last write and two reads are remembered: enough to find a race in some order of the threads.
#include "runtime.h"
#include <algorithm>

namespace emulator {
struct Access { int thread, phase, meetings, block; unsigned bytes; const void* code; };  // thread: its number + 1; 0: there was none
struct Element { Access write, read, second; bool atomic; };
static std::vector<std::vector<Element>> elements;                                    // of each region
static Event* pending;
static uint64_t left;                                                                 // loads and stores until a thread gives way; 0: not drawn

void start_checker() {
    pending = nullptr;
    left = 0;
    running.trace.reserve(running.trace_most);
    elements.clear();
    elements.resize(running.regions.size());
    if (running.checking)
        for (size_t i = 0; i < elements.size(); ++i) elements[i].assign(running.regions[i].size / running.regions[i].grain + 1, Element{});
}

void settle() {
    if (!pending) return;
    memcpy(&pending->value, running.regions[pending->region].start + pending->offset, std::min<size_t>(pending->size, sizeof pending->value));
    pending = nullptr;
}

void record(Act act, int region, long offset, int size, const void* code) {
    if (running.trace.size() >= running.trace_most || (running.trace_block >= 0 && running.trace_block != running.block)) return;
    running.trace.push_back({running.block, (int)now->number, running.phase, region, offset, code, size, act, {}});
    Event& event = running.trace.back();
    if (region >= 0) memcpy(&event.value, running.regions[region].start + offset, std::min<size_t>(size, sizeof event.value));
    if (act == WRITES || act == ATOMIC) pending = &event;
}

static void report(Kind kind, int region, long offset, const Access& other, const void* code) {
    for (auto& r : running.reports) if (r.kind == kind && r.region == region && r.code[0] == code && r.code[1] == other.code) return;
    if (running.reports.size() < 64)
        running.reports.push_back({kind, region, {running.block, other.block}, {(int)now->number, other.thread - 1}, offset, {code, other.code}});
}

static bool ordered(const Region& region, const Access& before) {
    if (before.block != running.block) return region.shared;                          // a shared array is another one in each block
    return before.thread - 1 == (int)now->number || before.phase != running.phase
        || ((before.thread - 1) / 32 == (int)now->warp && before.meetings != (int)self()->meetings);
}

static bool races(const Region& region, const Access& before, unsigned bytes) {     // bytes: a bit for each of the element
    return before.thread && (before.bytes & bytes) && !ordered(region, before);
}

static int find(const char* place) {
    static int last = 0, before = 0;                                                  // a product reads of two arrays in turn
    auto inside = [&](int i) { return (size_t)(place - running.regions[i].start) < (size_t)running.regions[i].size; };
    const int count = running.regions.size();
    if (last < count && inside(last)) return last;
    int found = before < count && inside(before) ? before : -1;
    for (int i = 0; found < 0 && i < count; ++i) if (inside(i)) found = i;
    if (found >= 0) before = last, last = found;
    return found;
}

static int nearest(const char* place) {                                               // behind an array rather than before one
    auto gap = [&](const Region& r) { return place < r.start ? (r.start - place) * 4 : place - (r.start + r.size); };
    int best = 0;
    for (int i = 1; i < (int)running.regions.size(); ++i) if (gap(running.regions[i]) < gap(running.regions[best])) best = i;
    return best;
}

static void remember(int k, long offset, int size, bool write, bool atomic, const void* code) {
    const Region& region = running.regions[k];
    Access mine = {(int)now->number + 1, running.phase, (int)self()->meetings, running.block, 0, code};
    const Access nobody = {};
    const int shift = __builtin_ctz(region.grain);                                    // it is 1, 2 or 4, and a division slow
    for (long e = offset >> shift; e <= (offset + size - 1) >> shift; ++e) {
        Element& s = elements[k][e];
        const long place = e << shift;
        const long from = std::max(offset - place, 0L), to = std::min(offset + size - place, (long)region.grain);
        mine.bytes = (1u << to) - (1u << from);
        if (races(region, s.write, mine.bytes) && !(atomic && s.atomic))
            report(write ? TWO_WRITES : READ_AFTER_WRITE, k, place, s.write, code);
        const bool empty = region.shared && (!s.write.thread || s.write.block != running.block);
        if (empty && (atomic || !write)) report(UNINITIALISED, k, place, nobody, code);
        if (write) {
            if (races(region, s.read, mine.bytes)) report(WRITE_AFTER_READ, k, place, s.read, code);
            else if (races(region, s.second, mine.bytes)) report(WRITE_AFTER_READ, k, place, s.second, code);
            s.write = mine;
            s.atomic = atomic;
        } else if (empty) {
            continue;
        } else if (!s.read.thread || ordered(region, s.read)) {
            s.read = mine;
        } else {
            s.second = mine;
        }
    }
}

// multiple: the power of two that the address should be a multiple of, as the type of the access promises it.
static void watch(const void* address, int size, bool write, bool atomic, const void* code, int multiple = 1) {
    const char* place = (const char*)address;
    if (!running.checking || !now || (place >= running.stacks && place < running.stacks_end)) return;
    // Of a copy from array to array the store is told first, then the load, and only then it is made.
    if (write || pending != (running.trace.empty() ? nullptr : &running.trace.back())) settle();
    const int k = find(place);
    if (k < 0 || place + size > running.regions[k].start + running.regions[k].size) {
        if (k < 0 && !write && place >= running.image && place < running.image_end) return;              // a constant
        if (running.regions.empty()) fail("an access outside every array");
        const int near = k < 0 ? nearest(place) : k;
        const Access nobody = {};
        report(write ? OUTSIDE_WRITE : OUTSIDE_READ, near, place - running.regions[near].start, nobody, code);
        fail("out of bounds");                                                        // to go on would damage the process
    }
    const long offset = place - running.regions[k].start;
    if ((uintptr_t)place & (multiple - 1)) {
        const Access nobody = {};
        report(MISALIGNED, k, offset, nobody, code);
        fail("an access of %d bytes at an address which is no multiple of %d", size, multiple);
    }
    record(atomic ? ATOMIC : write ? WRITES : READS, k, offset, size, code);
    remember(k, offset, size, write, atomic, code);
    if (atomic || running.preempt <= 1) return;
    if (!left) left = 1 + random_number() % (2 * running.preempt - 1);
    if (--left == 0) {                                                                // threads that overtake one another between barriers
        self()->state = READY;
        give_way();
    }
}

void touch_atomically(const void* place, int size, const void* code) { watch(place, size, true, true, code); }
}  // namespace emulator
using namespace emulator;

#define HOOKS(N)                                                                              \
    FOR_PYTHON void __tsan_read##N(void* p) { watch(p, N, false, false, CALLER, N); }           \
    FOR_PYTHON void __tsan_write##N(void* p) { watch(p, N, true, false, CALLER, N); }           \
    FOR_PYTHON void __tsan_unaligned_read##N(void* p) { watch(p, N, false, false, CALLER); }    \
    FOR_PYTHON void __tsan_unaligned_write##N(void* p) { watch(p, N, true, false, CALLER); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
FOR_PYTHON void __tsan_read_range(void* p, long n) { watch(p, n, false, false, CALLER); }
FOR_PYTHON void __tsan_write_range(void* p, long n) { watch(p, n, true, false, CALLER); }
FOR_PYTHON void __tsan_init() {}
FOR_PYTHON void __tsan_func_entry(void*) {}
FOR_PYTHON void __tsan_func_exit() {}
FOR_PYTHON void __sanitizer_cov_trace_pc() { if (now) record(PASSES, -1, 0, 0, CALLER); }       // in walk mode: before each stretch of code
FOR_PYTHON void __ubsan_handle_out_of_bounds(void* data, uintptr_t index) {                   // -fsanitize=bounds: tile[16][k] with k ≥ 16
    struct Place { const char* file; uint32_t line, column; }* place = (Place*)data;
    if (now) fail("%s:%u: index %ld is outside an array of fixed size", place->file, place->line, (long)index);
}

FOR_PYTHON int emulator_reports(const Report** p) { *p = running.reports.data(); return running.reports.size(); }
FOR_PYTHON long emulator_trace(const Event** p) { *p = running.trace.data(); return running.trace.size(); }
