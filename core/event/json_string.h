/* JSON strings: their content out of the text between the quotes. */
#ifndef FL_EVENT_JSON_STRING_H
#define FL_EVENT_JSON_STRING_H

#include "../base/buf.h"

/* Writes the content of a string (len bytes between its quotes) to `to`, which has room for len bytes and may lie before
 * or at p itself, and its length to *n. Only escapes are checked. -1: a bad one, *n the place of its backslash in p. */
int fl_json_unescape(char *to, const char *p, uint32_t len, uint32_t *n);

#endif
