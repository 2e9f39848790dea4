/* The members of a record that is a JSON object, one after the other, over the tokens that index.h found. Brackets are
 * checked whole; what stands between them in a value that nobody reads is not. Used by the JSON decoder and by the
 * encoder where it removes members; both run this for each record, hence inline. */
#ifndef FL_EVENT_MEMBERS_H
#define FL_EVENT_MEMBERS_H

#include <stdint.h>

/* A walk through one record, which may stand in a text among others. Places count from the beginning of the text. */
struct fl_members {
	const char *p;      /* the text */
	const uint32_t *at; /* its tokens; at[n] is not before end */
	uint32_t n, k;      /* tokens of the text; the next one */
	uint32_t first;     /* the token behind the record's first bracket */
	uint32_t end;       /* of the record */
	uint32_t depth;     /* brackets that may be open at once */
};

/* The key without its quotes, the value without white space around it. */
struct fl_member {
	uint32_t key, key_end;
	uint32_t value, value_end;
};

/* Behind the value that opens at token k; 0: its brackets do not match, or it is too deep. (By value, so that the walk
 * itself stays in registers.) */
uint32_t fl_members_skip(struct fl_members m, uint32_t k);

/* m->k is the record's first token. 0: the record is no object, or nothing follows its first bracket. */
static inline int fl_members_open(struct fl_members *m)
{
	m->first = m->k + 1;
	if (m->at[m->k] >= m->end || m->at[m->first] >= m->end || m->p[m->at[m->k]] != '{' || m->depth == 0)
		return 0;
	m->k = m->first;
	return 1;
}

/* Where the token before place `end` ends: white space alone stands between. */
static inline uint32_t fl_members_trim(const char *p, uint32_t end)
{
	while ((unsigned char)p[end - 1] <= ' ' && (p[end - 1] == ' ' || p[end - 1] == '\n' || p[end - 1] == '\r' || p[end - 1] == '\t'))
		end--;
	return end;
}

/* 1: *f is the next member. 0: the object has ended, and the record with it; k is its last bracket. -1: malformed. */
static inline int fl_members_next(struct fl_members *m, struct fl_member *f)
{
	const char *p = m->p;
	const uint32_t *at = m->at;
	uint32_t k = m->k;
	if (p[at[k]] == '}')
		return at[k + 1] >= m->end ? 0 : -1;
	if (k != m->first && p[at[k++]] != ',')
		return -1;
	/* A key, a colon, a value and what follows it. */
	if (m->n - k < 4 || p[at[k]] != '"' || p[at[k + 1]] != ':')
		return -1;
	f->key = at[k] + 1;
	f->key_end = fl_members_trim(p, at[k + 1]) - 1;
	k += 2;
	f->value = at[k];
	char c = p[f->value];
	if (c == '{' || c == '[') {
		k = fl_members_skip(*m, k);
		if (k == 0 || at[k] >= m->end)
			return -1;
		f->value_end = at[k - 1] + 1;
	} else if (c == '}' || c == ']' || c == ',' || c == ':' || at[++k] >= m->end) {
		return -1;
	} else {
		f->value_end = fl_members_trim(p, at[k]);
	}
	m->k = k;
	return 1;
}

#endif
