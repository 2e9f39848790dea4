/* Clocks. Called anywhere; not for each event: once a batch is enough. */
#include "clock.h"

#include <time.h>

static double read_clock(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

double fl_now(void) { return read_clock(CLOCK_REALTIME); }

double fl_monotonic(void) { return read_clock(CLOCK_MONOTONIC); }
