/* Numbers as texts: the shortest that reads back the same, and back. The C++ shim (number.cc) does both. */
#ifndef FL_EVENT_NUMBER_H
#define FL_EVENT_NUMBER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FL_NUMBER_MAX 32 /* bytes that any number takes */

/* 3.0 is "3", 1e21 is "1e+21", -0.0 is "-0". v must be finite. Returns the length; not terminated. */
uint32_t fl_number_write(char *to, double v);
uint32_t fl_integer_write(char *to, int64_t v);
uint32_t fl_unsigned_write(char *to, uint64_t v);
/* The shortest without an exponent, as times need it. 0: it takes more than size bytes. */
uint32_t fl_fixed_write(char *to, uint32_t size, double v);

/* A JSON number. 1: *d is it (an integer up to 2^53, or the double nearest). 2: an integer beyond 2^53 that fits 64
 * bits; *d is the nearest double, *i its bits, *is_unsigned whether only uint64_t holds it. 0: not a number.
 * -1: beyond a double (1e400). */
int fl_number_read(const char *p, uint32_t len, double *d, int64_t *i, int *is_unsigned);

#ifdef __cplusplus
}
#endif
#endif
