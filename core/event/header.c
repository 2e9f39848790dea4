/* Headers of a record. Called by whoever reads or writes them (stages, dead letters), on any thread. */
#include "header.h"

#define FRONT (sizeof(uint16_t) + sizeof(uint32_t))

void fl_header_add(struct fl_buf *out, struct fl_str name, struct fl_str value)
{
	FL_ASSERT(name.len <= UINT16_MAX);
	uint16_t n = (uint16_t)name.len;
	fl_buf_add(out, &n, sizeof n);
	fl_buf_add(out, &value.len, sizeof value.len);
	fl_buf_add(out, name.p, name.len);
	fl_buf_add(out, value.p, value.len);
}

int fl_header_next(struct fl_str headers, uint32_t *at, struct fl_str *name, struct fl_str *value)
{
	if (*at > headers.len || headers.len - *at < FRONT)
		return 0;
	const char *p = headers.p + *at;
	uint16_t n;
	uint32_t v;
	memcpy(&n, p, sizeof n);
	memcpy(&v, p + sizeof n, sizeof v);
	if ((uint64_t)n + v > headers.len - *at - FRONT)
		return 0;
	*name = (struct fl_str){p + FRONT, n};
	*value = (struct fl_str){p + FRONT + n, v};
	*at += (uint32_t)FRONT + n + v;
	return 1;
}

struct fl_str fl_header_find(struct fl_str headers, struct fl_str name)
{
	struct fl_str found = {0}, n, v;
	for (uint32_t at = 0; fl_header_next(headers, &at, &n, &v);)
		if (fl_str_eq(n, name))
			found = v;
	return found;
}
