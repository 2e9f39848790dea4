/* A value as a conf writes it: what options are before a plugin's table or a script reads them. Immutable once made. */
#ifndef FL_BASE_VALUE_H
#define FL_BASE_VALUE_H

#include "err.h"

enum fl_value_kind { FL_V_NIL, FL_V_BOOL, FL_V_NUMBER, FL_V_STRING, FL_V_LIST, FL_V_MAP, FL_V_STREAM, FL_V_WORD };

struct fl_value {
	enum fl_value_kind kind;
	int line;         /* where the conf has it */
	double number;    /* also 0 or 1 of a bool; the index of a stream */
	char *text;       /* string; a word (time "x") keeps its argument here */
	char *name;       /* in a map: its key, NULL otherwise; maps are sorted by it */
	char *word;       /* FL_V_WORD: which word */
	uint32_t n;       /* of list or map */
	struct fl_value *item;
};

void fl_value_free(struct fl_value *v); /* what it holds, not v itself */
const struct fl_value *fl_value_get(const struct fl_value *map, const char *name); /* NULL: not there */
int fl_value_same(const struct fl_value *a, const struct fl_value *b);             /* lines do not count */

#endif
