// Runs the threads of a launch as fibers on one CPU thread: block after block, and in a block whoever does not wait, until all are done.
//
// A fiber has a stack of its own; to switch means to save the registers that a function must keep on the one stack and to load them from
// the other. At __syncthreads() a fiber waits until all have come; in a shuffle, until the lanes of its mask have. With a seed the order of
// blocks and threads is drawn anew each time: a result that depends on it is wrong.
#include "runtime.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <random>
#include <sys/mman.h>

namespace emulator {
struct Meeting { unsigned mask, arrived, round; uint64_t values[2][32]; };        // of lanes of a warp, one for each mask

Thread* now;
Launch launch;
Running running;
constexpr size_t MOST = 1024, STACK = (64 << 10) + 832;       // not a power of two: all stacks would lie in the same sets of the cache
static std::vector<char*> stacks;                             // that are free
static std::vector<Fiber> fibers;
static std::vector<std::vector<Meeting>> warps;
static std::vector<unsigned> order;
static std::mt19937_64 generator;
static char error[512];
static const Entry* kernel;
static void** arguments;
static bool all_at_barriers;                                  // a thread that has returned must not leave others at a barrier

#ifdef UCONTEXT
static ucontext_t main_context;
#else
static void* main_top;
extern "C" void emulator_switch(void** save, void* load);
asm(".text\n.hidden emulator_switch\n.globl emulator_switch\nemulator_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\nmov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
#endif

uint64_t random_number() { return generator(); }

void give_way() {
    settle();
#ifdef UCONTEXT
    swapcontext(&self()->context, &main_context);
#else
    emulator_switch(&self()->top, main_top);
#endif
}

void fail(const char* format, ...) {
    char text[384];
    va_list more;
    va_start(more, format);
    vsnprintf(text, sizeof text, format, more);
    va_end(more);
    const uint3 b = launch.block, t = now->place;
    snprintf(error, sizeof error, "%s  [block (%u,%u,%u) thread (%u,%u,%u)]", text, b.x, b.y, b.z, t.x, t.y, t.z);
    self()->state = READY;
    give_way();                                               // for good: the launch ends here
    __builtin_unreachable();
}

static void run_thread() {
    kernel->call(arguments);
    self()->state = DONE;
    give_way();
}

static void resume(Fiber& f) {
    now = &f;
    if (f.state == FRESH) {
        f.stack = stacks.back();
        stacks.pop_back();
#ifdef UCONTEXT
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack;
        f.context.uc_stack.ss_size = STACK;
        f.context.uc_link = nullptr;
        makecontext(&f.context, run_thread, 0);
#else
        void** top = (void**)(f.stack + STACK);
        *--top = nullptr;
        *--top = (void*)run_thread;                           // where emulator_switch returns to, with the stack 8 off 16, as after a call
        f.top = top - 6;                                      // six registers
#endif
    }
    f.state = READY;
#ifdef UCONTEXT
    swapcontext(&main_context, &f.context);
#else
    emulator_switch(&main_top, f.top);
#endif
    if (f.state == DONE) stacks.push_back(f.stack);
}

void barrier(int line) {
    self()->state = AT_BARRIER;
    self()->line = line;
    record(WAITS, -1, 0, 0, CALLER);
    give_way();
}

const uint64_t* meet(unsigned mask, uint64_t value, int line, const void* code) {
    Fiber* f = self();
    record(MEETS, -1, mask, 0, code ? code : CALLER);
    if (!(mask >> f->lane & 1)) fail("line %d: lane %u is not in its own mask %#x", line, f->lane, mask);
    const unsigned lanes = fibers.size() - f->warp * 32, there = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    auto& meetings = warps[f->warp];
    auto found = std::find_if(meetings.begin(), meetings.end(), [&](const Meeting& m) { return m.mask == mask; });
    if (found == meetings.end()) {
        if (meetings.size() == meetings.capacity()) fail("line %d: more than %zu masks in one warp", line, meetings.size());
        meetings.push_back({mask, 0, 0, {}});                 // the capacity is reserved: nothing moves
        found = meetings.end() - 1;
    }
    uint64_t* values = found->values[found->round & 1];       // of two rounds, since the first may go on before the last has read
    if (!found->arrived) memset(values, 0xff, sizeof found->values[0]);             // lanes that do not come read as NaN
    values[f->lane] = value;
    found->arrived |= 1u << f->lane;
    f->line = line;
    if (found->arrived == (mask & there)) {
        for (unsigned l = 0; l < 32; ++l) if (found->arrived >> l & 1) {
            Fiber& other = fibers[f->warp * 32 + l];
            other.meetings++;
            if (other.state == IN_WARP) other.state = READY;
        }
        found->arrived = 0;
        found->round++;
        settle();
    } else {
        f->state = IN_WARP;
        give_way();
    }
    return values;
}

static void waits_for_ever(unsigned waiting, unsigned live, unsigned count) {
    const Fiber* who = nullptr;
    for (auto& f : fibers) if (f.state == IN_WARP || (!who && f.state == AT_BARRIER)) who = &f;
    snprintf(error, sizeof error, "deadlock: %u of %u threads wait at line %d, %u have returned  [block (%u,%u,%u)]",
             waiting < live ? live - waiting : waiting, count, who ? who->line : 0, count - live,
             launch.block.x, launch.block.y, launch.block.z);
}

static bool all_came_to_one_barrier() {
    const Fiber* first = nullptr;
    for (auto& f : fibers) if (f.state == AT_BARRIER) {
        if (first && first->line != f.line) {
            snprintf(error, sizeof error, "divergent __syncthreads: thread %u waits at line %d, thread %u at line %d  [block (%u,%u,%u)]",
                     first->number, first->line, f.number, f.line, launch.block.x, launch.block.y, launch.block.z);
            return false;
        }
        first = &f;
    }
    return true;
}

static void run_block(bool shuffled) {
    const uint3 size = launch.threads;
    const unsigned count = size.x * size.y * size.z;
    unsigned live = count;
    for (unsigned i = 0; i < count; ++i) {
        Fiber& f = fibers[i];
        f.state = FRESH;
        f.meetings = 0;
        f.number = i;
        f.lane = i % 32;
        f.warp = i / 32;
        f.place = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    }
    for (auto& w : warps) w.clear();
    running.phase = 0;
    while (live) {
        bool somebody_ran = false;
        if (shuffled) std::shuffle(order.begin(), order.end(), generator);
        for (unsigned i : order) {
            Fiber& f = fibers[i];
            if (f.state > READY) continue;
            somebody_ran = true;
            resume(f);
            if (error[0]) return;
            live -= f.state == DONE;
        }
        if (somebody_ran || !live) continue;
        unsigned waiting = 0;
        for (auto& f : fibers) waiting += f.state == AT_BARRIER;
        if (!all_came_to_one_barrier()) return;
        if (waiting < live || (all_at_barriers && live < count)) return waits_for_ever(waiting, live, count);
        ++running.phase;
        for (auto& f : fibers) if (f.state == AT_BARRIER) f.state = READY;
    }
}

static void fill_shared_with_nan() {
    for (auto& r : running.regions) if (r.shared) memset(r.start, 0xff, r.size);
}
}  // namespace emulator

using namespace emulator;

// grid and block: 6 sizes.  seed: 0, all in order; else it draws the order.  Returns what went wrong, or "".
FOR_PYTHON const char* emulator_launch(const Entry* entry, const unsigned* sizes, void** given, const Region* regions, int count,
                                       uint64_t seed, uint64_t preempt, int checking, int strict, size_t trace_most, long trace_block,
                                       const char* image, const char* image_end) {
    error[0] = 0;
    kernel = entry;
    arguments = given;
    all_at_barriers = strict;
    if (!running.stacks) {
        running.stacks = (char*)mmap(nullptr, MOST * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (running.stacks == MAP_FAILED) return running.stacks = nullptr, "no memory for the stacks of 1024 threads";
        running.stacks_end = running.stacks + MOST * STACK;
    }
    running.checking = checking;
    running.preempt = seed ? preempt : 0;
    running.image = image;
    running.image_end = image_end;
    running.regions.assign(regions, regions + count);
    running.reports.clear();
    running.trace.clear();
    running.trace_most = trace_most;
    running.trace_block = trace_block;
    start_checker();
    generator.seed(seed);
    const unsigned threads = sizes[3] * sizes[4] * sizes[5];
    stacks.clear();
    for (size_t i = MOST; i--;) stacks.push_back(running.stacks + i * STACK);
    fibers.clear();
    fibers.resize(threads);
    warps.assign((threads + 31) / 32, {});
    for (auto& w : warps) w.reserve(32);
    order.resize(threads);
    for (unsigned i = 0; i < threads; ++i) order[i] = i;
    std::vector<unsigned> blocks(sizes[0] * sizes[1] * sizes[2]);
    for (unsigned i = 0; i < blocks.size(); ++i) blocks[i] = i;
    if (seed) std::shuffle(blocks.begin(), blocks.end(), generator);
    for (unsigned b : blocks) {
        running.block = b;
        launch = {{b % sizes[0], b / sizes[0] % sizes[1], b / (sizes[0] * sizes[1])}, {sizes[0], sizes[1], sizes[2]},
                  {sizes[3], sizes[4], sizes[5]}};
        fill_shared_with_nan();
        run_block(seed != 0);
        if (error[0]) break;
        settle();
    }
    now = nullptr;
    return error;
}
