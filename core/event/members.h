/* The members of a record that is a JSON object, one after the other, over the tokens that index.h found. Brackets are
 * checked whole; what stands between them in a value that nobody reads is not. Used by the JSON decoder and by the
 * encoder where it removes members; both run this for each record, hence inline. */
#ifndef FL_EVENT_MEMBERS_H
#define FL_EVENT_MEMBERS_H

#include <stdint.h>

/* A walk through one record. at[n] is its length. */
struct fl_members {
	const char *p;
	const uint32_t *at;
	uint32_t n, k;     /* tokens; the next one */
	uint32_t depth;    /* brackets that may be open at once */
};

/* Places in the record: the key without its quotes, the value without white space around it. */
struct fl_member {
	uint32_t key, key_end;
	uint32_t value, value_end;
};

/* Behind the value that opens at token k; 0: its brackets do not match, or it is too deep. */
uint32_t fl_members_skip(const struct fl_members *m, uint32_t k);

/* 0: the record is no object, or nothing follows its first bracket. */
static inline int fl_members_open(struct fl_members *m)
{
	m->k = 1;
	return m->n >= 2 && m->p[m->at[0]] == '{' && m->depth > 0;
}

/* Where the token before place `end` ends: white space alone stands between. */
static inline uint32_t fl_members_trim(const char *p, uint32_t end)
{
	while (p[end - 1] == ' ' || p[end - 1] == '\n' || p[end - 1] == '\r' || p[end - 1] == '\t')
		end--;
	return end;
}

/* 1: *f is the next member. 0: the object has ended, and the record with it. -1: malformed. */
static inline int fl_members_next(struct fl_members *m, struct fl_member *f)
{
	const char *p = m->p;
	const uint32_t *at = m->at;
	if (m->k > 1 && p[at[m->k]] == ',')
		m->k++;
	else if (p[at[m->k]] == '}')
		return m->k + 1 == m->n ? 0 : -1;
	else if (m->k > 1)
		return -1;
	/* A key, a colon, a value and what follows it. */
	if (m->n - m->k < 4 || p[at[m->k]] != '"' || p[at[m->k + 1]] != ':')
		return -1;
	f->key = at[m->k] + 1;
	f->key_end = fl_members_trim(p, at[m->k + 1]) - 1;
	uint32_t k = m->k + 2;
	f->value = at[k];
	char c = p[f->value];
	if (c == '{' || c == '[') {
		k = fl_members_skip(m, k);
		if (k == 0 || k >= m->n)
			return -1;
		f->value_end = at[k - 1] + 1;
	} else if (c == '}' || c == ']' || c == ',' || c == ':') {
		return -1;
	} else {
		f->value_end = fl_members_trim(p, at[++k]);
	}
	m->k = k;
	return 1;
}

#endif
