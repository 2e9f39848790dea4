/* Flows, lines and tasks: making them and taking them apart. Called by app.c, worker.c, source.c and pipe.c. */
#include <stdlib.h>

#include "dead.h"

static uint32_t column(struct fl_fields *f, const char *name) { return name ? fl_fields_add(f, fl_str(name)) : FL_NO_FIELD; }

static const char *const KIND[] = {"source", "pipeline", "sink", "web"};

struct fl_flow *fl_flow_new(const struct fl_plan *plan, const struct fl_plan_flow *is, const char *data_dir)
{
	struct fl_flow *f = fl_alloc(sizeof *f);
	f->plan = plan;
	f->is = is;
	f->data_dir = data_dir;
	f->fields = fl_fields_new();
	f->who = fl_printf("%s/%s", plan->app, is->name);
	f->labels = fl_printf("app=\"%s\",%s=\"%s\"", plan->app, KIND[is->kind], is->name);
	f->in = fl_metric_get("fairlead_events_in_total", f->labels, NULL);
	f->out = fl_metric_get("fairlead_events_out_total", f->labels, NULL);
	f->late = fl_metric_get("fairlead_events_late_total", f->labels, NULL);
	f->dead = fl_metric_get("fairlead_dead_letters_total", f->labels, NULL);
	f->reloads = fl_metric_get("fairlead_reloads_total", f->labels, NULL);
	f->failed = fl_metric_get("fairlead_reload_failures_total", f->labels, NULL);
	f->key = fl_alloc(plan->streams * sizeof *f->key);
	f->time = fl_alloc(plan->streams * sizeof *f->time);
	for (uint32_t s = 0; s < plan->streams; s++) {
		int used = s == is->from || s == is->to;
		f->key[s] = used ? column(f->fields, plan->stream[s].key) : FL_NO_FIELD;
		f->time[s] = used ? column(f->fields, plan->stream[s].time.field) : FL_NO_FIELD;
	}
	uint32_t parts = is->from == FL_NO_STREAM ? 1 : plan->stream[is->from].partitions;
	f->done = fl_alloc(parts * sizeof *f->done);
	return f;
}

void fl_flow_free(struct fl_flow *f)
{
	if (!f)
		return;
	fl_fields_free(f->fields);
	free(f->who);
	free(f->labels);
	free(f->key);
	free(f->time);
	free(f->done);
	free(f);
}

static uint32_t find_stream(void *arg, struct fl_str name) { return fl_plan_stream_find(arg, name); }

struct fl_script *fl_line_script(struct fl_flow *flow, uint32_t k, char *err)
{
	const struct fl_plan_stage *st = &flow->is->stage[k];
	char *labels = fl_printf("%s,stage=\"%s\"", flow->labels, st->id);
	struct fl_script_conf conf = {.path = st->path, .name = st->name, .lib = st->root, .who = flow->who,
		.labels = labels, .opts = &st->opts, .memory = st->memory, .fuel = st->fuel, .stores = 1,
		.stream = find_stream, .arg = (void *)flow->plan};
	struct fl_script *sc = fl_script_open(&conf, err);
	free(labels);
	if (!sc)
		return NULL;
	uint32_t wants = flow->is->kind == FL_FLOW_SOURCE ? FL_HAS_GENERATE : FL_HAS_TRANSFORM | FL_HAS_ROUTE | FL_HAS_TICK;
	if (!(fl_script_has(sc) & wants)) {
		fl_err(err, "%s defines no %s: a %s has no use for it", st->name,
		       flow->is->kind == FL_FLOW_SOURCE ? "generate(t)" : "transform(e, m), route(e, m) or tick(now)", KIND[flow->is->kind]);
		fl_script_close(sc);
		return NULL;
	}
	return sc;
}

struct fl_instance *fl_line_instance(struct fl_flow *flow, uint32_t k, struct fl_module *m, char *err)
{
	const struct fl_plan_stage *st = &flow->is->stage[k];
	char *labels = fl_printf("%s,stage=\"%s\"", flow->labels, st->id);
	struct fl_instance_conf conf = {.who = flow->who, .stage = st->id, .labels = labels, .prefix = flow->is->name,
		.data_dir = flow->data_dir, .opts = &st->opts, .fields = flow->is->kind == FL_FLOW_SOURCE ? NULL : flow->fields,
		.stores = flow->is->kind != FL_FLOW_SINK};
	struct fl_instance *in = fl_instance_open(m, &conf, err);
	free(labels);
	return in;
}

struct fl_line *fl_line_new(struct fl_flow *flow, char *err)
{
	struct fl_line *line = fl_alloc(sizeof *line);
	uint32_t n = flow->is->stages;
	line->flow = flow;
	line->ev = fl_alloc((n + 2) * sizeof *line->ev);
	line->regroup = fl_alloc((n + 2) * sizeof *line->regroup);
	line->original = fl_alloc((n + 2) * sizeof(struct fl_str *));
	line->script = fl_alloc((n + 1) * sizeof *line->script);
	uint32_t in = flow->is->from == FL_NO_STREAM ? flow->is->to : flow->is->from;
	const struct fl_plan_stream *s = &flow->plan->stream[in];
	line->ev[0] = fl_events_new(flow->fields, s->codec, s->limits, 0);
	line->module = fl_alloc((n + 1) * sizeof *line->module);
	for (uint32_t k = 0; k < n; k++)
		if (flow->is->stage[k].module)
			line->module[k] = fl_module_ref(flow->is->stage[k].module);
	for (uint32_t k = 0; k < n; k++)
		if (flow->is->stage[k].kind == FL_STAGE_SCRIPT && !(line->script[k] = fl_line_script(flow, k, err))) {
			fl_line_free(line);
			return NULL;
		}
	return line;
}

void fl_line_free(struct fl_line *line)
{
	if (!line)
		return;
	for (uint32_t k = 0; k <= line->flow->is->stages; k++) {
		fl_events_free(line->ev[k]);
		fl_buf_free(&line->regroup[k]);
		free(line->original[k]);
		if (line->script[k])
			fl_script_close(line->script[k]);
		if (line->module[k])
			fl_module_unref(line->module[k]);
	}
	free(line->module);
	fl_dropped_free(line->dropped);
	fl_order_free(&line->order);
	free(line->ev);
	free(line->regroup);
	free(line->original);
	free(line->script);
	free(line);
}

static const char *store_of(const struct fl_script *sc, const struct fl_instance *in, uint32_t n)
{
	return sc ? fl_script_store(sc, n) : in ? fl_instance_store(in, n) : NULL;
}

int fl_task_check_stores(const struct fl_task *t, uint32_t k, const struct fl_script *sc, const struct fl_instance *in, char *err)
{
	const struct fl_plan_flow *is = t->line->flow->is;
	const char *mine, *its;
	for (uint32_t a = 0; (mine = store_of(sc, in, a)); a++)
		for (uint32_t j = 0; j < is->stages; j++) {
			const struct fl_script *other = t->stage[j].script ? t->line->script[j] : NULL;
			for (uint32_t b = 0; j != k && (its = store_of(other, t->stage[j].instance, b)); b++)
				if (strcmp(mine, its) == 0)
					return fl_err(err, "%s and %s both keep the state \"%s\", and would overwrite each other's changes: "
						      "give it another name in one of them", is->stage[j].name, is->stage[k].name, mine);
		}
	return 0;
}

int fl_task_open(struct fl_task *t, struct fl_line *line, uint32_t partition, struct fl_state *state, char *err)
{
	uint32_t n = line->flow->is->stages;
	t->line = line;
	t->partition = partition;
	t->state = state;
	t->stage = fl_alloc((n + 1) * sizeof *t->stage);
	for (uint32_t k = 0; k < n; k++) {
		const struct fl_plan_stage *st = &line->flow->is->stage[k];
		struct fl_task_stage *to = &t->stage[k];
		if (st->kind == FL_STAGE_SCRIPT) {
			if (fl_task_check_stores(t, k, line->script[k], NULL, err) < 0)
				return -1;
			to->script = fl_script_task_new(line->script[k], state, line->flow->is->name);
			if (fl_script_migrate(to->script, 0, err) < 0)
				return -1;
		} else {
			to->instance = fl_line_instance(line->flow, k, line->module[k], err);
			if (!to->instance || fl_task_check_stores(t, k, NULL, to->instance, err) < 0 ||
			    fl_instance_bind(to->instance, state, err) < 0)
				return -1;
		}
	}
	return 0;
}

void fl_task_close(struct fl_task *t)
{
	for (uint32_t k = 0; t->stage && k < t->line->flow->is->stages; k++) {
		fl_instance_close(t->stage[k].instance);
		if (t->stage[k].script)
			fl_script_task_free(t->stage[k].script);
	}
	free(t->stage);
	t->stage = NULL;
}
