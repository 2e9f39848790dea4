/* Where the tokens of a JSON text stand: simdjson's first stage, behind C. It finds every bracket, comma, colon and
 * the beginning of every string and scalar, 64 bytes at a time, and checks UTF-8, control characters in strings, and
 * that strings end. What the tokens mean is up to the caller: members.h walks through them. One thread owns one. */
#ifndef FL_EVENT_INDEX_H
#define FL_EVENT_INDEX_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_index;
struct fl_index *fl_index_new(void);
void fl_index_free(struct fl_index *x);

/* *at: the places of the *n tokens, in order, and behind them len; valid until the next call. -1: not JSON at all (no
 * tokens, not UTF-8, a string without an end, a control character in a string). Allocates only for a text longer than
 * any before it. */
int fl_index_text(struct fl_index *x, const char *p, uint32_t len, const uint32_t **at, uint32_t *n);

#ifdef __cplusplus
}
#endif
#endif
