// What the scheduler and the checker share. Both are compiled without -fsanitize=thread.
#pragma once
#include "language.h"
#undef threadIdx
#undef blockIdx
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#define UCONTEXT 1
#endif
#define FOR_PYTHON extern "C" __attribute__((visibility("default")))

namespace emulator {
enum State : uint8_t { FRESH, READY, AT_BARRIER, IN_WARP, DONE };
struct Fiber : Thread {
    State state;
    int line;                      // where it waits
    unsigned meetings;             // how often it has met lanes of its warp: what came before a meeting is ordered before what comes after
    char* stack;
#ifdef UCONTEXT
    ucontext_t context;
#else
    void* top;
#endif
};
struct Region { char* start; long size; int grain, shared; };                      // an array of the arguments, or a shared one
struct Report { int kind, region, blocks[2], threads[2]; long offset; const void* code[2]; };
struct Event { int block, thread, phase, region; long offset; const void* code; int size, act; uint64_t value[2]; };
enum Kind { OUTSIDE_READ = 1, OUTSIDE_WRITE, READ_AFTER_WRITE, TWO_WRITES, WRITE_AFTER_READ, UNINITIALISED, MISALIGNED };
enum Act { READS, WRITES, ATOMIC = 3, PASSES, MEETS, WAITS };           // the last three touch nothing: a branch, lanes that meet, a barrier

inline Fiber* self() { return static_cast<Fiber*>(now); }
void give_way();                                      // lets another fiber run

struct Running {                                      // the launch that runs
    int block, phase;                                 // number of the block; barriers it has passed
    bool checking;
    uint64_t preempt;                                 // a thread gives way after so many loads and stores on average; 0 or 1: at waits only
    char *stacks, *stacks_end;                        // what lies on a fiber's stack belongs to its thread alone
    const char *image, *image_end;                    // of the library: constants
    std::vector<Region> regions;
    std::vector<Report> reports;
    std::vector<Event> trace;
    size_t trace_most;
    long trace_block;                                 // −1: all
};
extern Running running;
uint64_t random_number();
void start_checker();
void record(Act act, int region, long offset, int size, const void* code);           // in the trace, if it takes this block
void settle();                                        // the value that the last write of the trace has left in memory
}  // namespace emulator
