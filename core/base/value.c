/* Values of a conf: freed, looked up, compared. Called by the plan that makes them and by whoever reads options; they
 * never change, so any thread may read. */
#include "value.h"

#include <stdlib.h>
#include <string.h>

void fl_value_free(struct fl_value *v)
{
	for (uint32_t i = 0; i < v->n; i++)
		fl_value_free(&v->item[i]);
	free(v->item);
	free(v->text);
	free(v->name);
	free(v->word);
	*v = (struct fl_value){0};
}

const struct fl_value *fl_value_get(const struct fl_value *map, const char *name)
{
	if (!map || map->kind != FL_V_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->n; i++)
		if (strcmp(map->item[i].name, name) == 0)
			return &map->item[i];
	return NULL;
}

static int same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

int fl_value_same(const struct fl_value *a, const struct fl_value *b)
{
	if (a->kind != b->kind || a->n != b->n || a->number != b->number || !same_text(a->text, b->text) ||
	    !same_text(a->name, b->name) || !same_text(a->word, b->word))
		return 0;
	for (uint32_t i = 0; i < a->n; i++)
		if (!fl_value_same(&a->item[i], &b->item[i]))
			return 0;
	return 1;
}
