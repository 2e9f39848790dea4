/* Texts that people write, read exactly: durations, sizes, and the nearest known name for a misspelt one. */
#ifndef FL_BASE_UNIT_H
#define FL_BASE_UNIT_H

#include "err.h"

int fl_duration(const char *text, double *seconds); /* "5s" "200ms" "1.5h" "7d" "0s"; -1: not one */
int fl_size(const char *text, int64_t *bytes);      /* "64MiB" "10kB" "512"; -1: not one */

/* The name nearest to found among n names, NULL where none is near. */
const char *fl_nearest(const char *found, const char *const *names, uint32_t n);

#endif
