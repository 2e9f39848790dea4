/* UTF-8 as RFC 3629 has it: no surrogates, nothing overlong, nothing beyond U+10FFFF. */
#ifndef FL_EVENT_UTF8_H
#define FL_EVENT_UTF8_H

#include <stdint.h>

/* The place of the first byte that isn't UTF-8; len where all is. */
uint32_t fl_utf8_check(const char *p, uint32_t len);

/* The bytes of the character at p (before end), 0 where there is none. */
uint32_t fl_utf8_length(const char *p, const char *end);

/* Appends a code point (no surrogate); returns its length, up to 4. */
uint32_t fl_utf8_write(char *to, uint32_t code);

#endif
