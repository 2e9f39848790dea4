/* Clocks in seconds. */
#ifndef FL_BASE_CLOCK_H
#define FL_BASE_CLOCK_H

double fl_now(void);        /* wall clock, seconds since 1970 */
double fl_monotonic(void);  /* never goes back; for waits and rates */

#endif
