/* Skipping a nested value of a record by its brackets alone. Called by the JSON codec, on the batch's thread. */
#include "members.h"

#include "../base/err.h"
#include "codec.h"

uint32_t fl_members_skip(struct fl_members m, uint32_t k)
{
	uint64_t kinds[FL_DEPTH_MAX / 64]; /* 1: an object is open at that depth */
	uint32_t depth = 0, limit = m.depth - 1; /* the record's own bracket is open */
	for (; m.at[k] < m.end; k++) {
		char c = m.p[m.at[k]];
		if (c == '{' || c == '[') {
			if (depth == limit)
				return 0;
			uint64_t *word = &kinds[depth / 64], bit = (uint64_t)1 << depth % 64;
			*word = (depth % 64 ? *word & ~bit : 0) | (c == '{' ? bit : 0);
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth-- == 0 || (kinds[depth / 64] >> depth % 64 & 1) != (c == '}'))
				return 0;
			if (depth == 0)
				return k + 1;
		}
	}
	return 0;
}
