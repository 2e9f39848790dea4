/* Opens an app, spreads its tasks over workers, starts and stops its threads. Called by the main thread; the lag
 * functions by any. */
#include "app.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/log.h"
#include "sink.h"
#include "source.h"
#include "worker.h"

/* ---- opening --------------------------------------------------------------------------------------------------- */

static int make_dirs(const char *path, char *err)
{
	char *p = fl_strdup(path);
	int rc = 0;
	for (char *c = p + 1; rc == 0; c++) {
		if (*c && *c != '/')
			continue;
		char was = *c;
		*c = 0;
		if (mkdir(p, 0777) < 0 && errno != EEXIST)
			rc = fl_err(err, "the directory %s can't be made: %s; choose another with --data", p, strerror(errno));
		*c = was;
		if (!was)
			break;
	}
	free(p);
	return rc;
}

static int declare_streams(struct fl_app *app, char *err)
{
	const struct fl_plan *plan = app->plan;
	app->stream_of = fl_alloc(plan->streams * sizeof *app->stream_of);
	for (uint32_t s = 0; s < plan->streams; s++) {
		const struct fl_plan_stream *ps = &plan->stream[s];
		struct fl_stream_def def = {.name = ps->name, .partitions = ps->partitions, .keep_age = ps->keep_age, .keep_bytes = ps->keep_bytes};
		app->stream_of[s] = app->streams->ops->declare(app->streams, &def, err);
		if (app->stream_of[s] < 0)
			return fl_err_in(err, "%s:%d", plan->file, ps->line);
	}
	return 0;
}

static uint32_t most_partitions(const struct fl_plan *plan)
{
	uint32_t most = 1;
	for (uint32_t f = 0; f < plan->flows; f++)
		if (plan->flow[f].kind == FL_FLOW_PIPELINE && plan->stream[plan->flow[f].from].partitions > most)
			most = plan->stream[plan->flow[f].from].partitions;
	return most;
}

static int open_workers(struct fl_app *app, uint32_t asked, char *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n = asked ? asked : (uint32_t)(cores > 0 ? cores : 1), most = most_partitions(app->plan);
	n = n > most ? most : n;
	app->worker = fl_alloc(n * sizeof(struct fl_worker *));
	for (; app->workers < n; app->workers++)
		if (!(app->worker[app->workers] = fl_worker_new(app, app->workers, err)))
			return -1;
	uint32_t turn = 0;
	for (uint32_t f = 0; f < app->plan->flows; f++) {
		const struct fl_plan_flow *is = &app->plan->flow[f];
		if (is->kind != FL_FLOW_PIPELINE)
			continue;
		for (uint32_t k = 0; k < app->plan->stream[is->from].partitions; k++)
			if (fl_worker_add(app->worker[turn++ % n], app->flow[f], k, err) < 0)
				return fl_err_in(err, "%s:%d: pipeline \"%s\"", app->plan->file, is->line, is->name);
	}
	return 0;
}

static int open_ends(struct fl_app *app, char *err)
{
	uint32_t n = app->plan->flows;
	app->source = fl_alloc(n * sizeof(struct fl_source *));
	app->sink = fl_alloc(n * sizeof(struct fl_sink *));
	for (uint32_t f = 0; f < n; f++) {
		const struct fl_plan_flow *is = &app->plan->flow[f];
		if (is->kind == FL_FLOW_SOURCE) {
			if (!(app->source[app->sources] = fl_source_new(app, app->flow[f], err)))
				return fl_err_in(err, "%s:%d: source \"%s\"", app->plan->file, is->line, is->name);
			app->sources++;
		} else if (is->kind == FL_FLOW_SINK) {
			if (!(app->sink[app->sinks] = fl_sink_new(app, app->flow[f], err)))
				return fl_err_in(err, "%s:%d: sink \"%s\"", app->plan->file, is->line, is->name);
			app->sinks++;
		} else if (is->kind == FL_FLOW_WEB) {
			fl_log(FL_INFO, app->plan->app, "web \"%s\" is not served yet; everything else runs", is->name);
		}
	}
	return 0;
}

struct fl_app *fl_app_open(const struct fl_plan *plan, const struct fl_app_conf *conf, char *err)
{
	struct fl_app *app = fl_alloc(sizeof *app);
	app->plan = plan;
	app->dir = fl_printf("%s/%s", conf->data, plan->app);
	app->flow = fl_alloc((plan->flows + 1) * sizeof *app->flow);
	char *labels = fl_printf("app=\"%s\"", plan->app);
	app->commits = fl_metric_get("fairlead_commits_total", labels, NULL);
	app->failures = fl_metric_get("fairlead_task_failures_total", labels, NULL);
	free(labels);
	struct fl_streams_conf sc = {.dir = app->dir, .app = plan->app, .mode = FL_STREAMS_DAEMON, .power = plan->power};
	if (make_dirs(app->dir, err) < 0 || !(app->streams = fl_embedded_open(&sc, err)) || declare_streams(app, err) < 0)
		goto fail;
	app->checkpointer = fl_checkpointer_start(app->streams, plan->app);
	for (uint32_t f = 0; f < plan->flows; f++)
		if (plan->flow[f].kind != FL_FLOW_WEB)
			app->flow[f] = fl_flow_new(plan, &plan->flow[f], app->dir);
	if (open_workers(app, conf->workers, err) < 0 || open_ends(app, err) < 0)
		goto fail;
	return app;
fail:
	fl_app_close(app);
	return NULL;
}

void fl_app_start(struct fl_app *app)
{
	for (uint32_t k = 0; k < app->workers; k++)
		fl_worker_start(app->worker[k]);
	for (uint32_t k = 0; k < app->sinks; k++)
		fl_sink_start(app->sink[k]);
	for (uint32_t k = 0; k < app->sources; k++)
		fl_source_start(app->source[k]);
}

/* ---- stopping -------------------------------------------------------------------------------------------------- */

void fl_app_ask_stop(struct fl_app *app)
{
	const struct fl_streams_ops *ops = app->streams->ops;
	atomic_store(&app->stop, 1);
	for (uint32_t k = 0; k < app->workers; k++)
		ops->wake(app->worker[k]->lane.reader);
	for (uint32_t k = 0; k < app->sources; k++)
		ops->wake(app->source[k]->lane.reader);
	for (uint32_t k = 0; k < app->sinks; k++)
		ops->wake(fl_sink_box(app->sink[k])->reader);
}

static void close_threads(struct fl_app *app)
{
	for (uint32_t k = 0; k < app->sources; k++)
		fl_source_join(app->source[k]);
	for (uint32_t k = 0; k < app->workers; k++)
		fl_worker_join(app->worker[k]);
	for (uint32_t k = 0; k < app->sinks; k++)
		fl_sink_join(app->sink[k]);
	for (uint32_t k = 0; k < app->sources; k++)
		fl_source_free(app->source[k]);
	for (uint32_t k = 0; k < app->workers; k++)
		fl_worker_free(app->worker[k]);
	for (uint32_t k = 0; k < app->sinks; k++)
		fl_sink_free(app->sink[k]);
	fl_swap_close_retired();
}

void fl_app_close(struct fl_app *app)
{
	if (app->streams)
		fl_app_ask_stop(app);
	close_threads(app);
	fl_checkpointer_stop(app->checkpointer);
	if (app->streams)
		app->streams->ops->close(app->streams);
	for (uint32_t f = 0; f < app->plan->flows; f++)
		fl_flow_free(app->flow[f]);
	free(app->stream_of);
	free(app->flow);
	free(app->worker);
	free(app->source);
	free(app->sink);
	free(app->dir);
	free(app);
}

/* ---- where it stands ------------------------------------------------------------------------------------------- */

int64_t fl_app_lag(struct fl_app *app, const struct fl_flow *flow)
{
	uint32_t from = flow->is->from;
	int64_t lag = 0;
	if (from == FL_NO_STREAM)
		return 0;
	for (uint32_t k = 0; k < app->plan->stream[from].partitions; k++) {
		int64_t left = app->streams->ops->end(app->streams, (uint32_t)app->stream_of[from], k) - atomic_load(&flow->done[k]);
		lag += left > 0 ? left : 0;
	}
	return lag;
}

int64_t fl_app_skip(struct fl_app *app, const struct fl_flow *flow, uint32_t partition, int64_t next)
{
	char err[FL_ERRLEN];
	int64_t first, end;
	uint32_t from = flow->is->from;
	if (app->streams->ops->bounds(app->streams, (uint32_t)app->stream_of[from], partition, &first, &end, err) < 0 || first <= next)
		return next; /* an error shows again at the next read */
	fl_log(FL_ERROR, flow->who, "it has not read the records from %lld to %lld of %s[%u]: they were let go by then; let the stream keep more "
	       "(keep, keep_bytes), or find what held it up", (long long)next, (long long)first - 1, app->plan->stream[from].name, partition);
	return first;
}

static int64_t backlog(struct fl_app *app, uint32_t stream, uint8_t *seen)
{
	int64_t most = 0;
	if (seen[stream])
		return 0;
	seen[stream] = 1;
	for (uint32_t f = 0; f < app->plan->flows; f++) {
		const struct fl_plan_flow *is = &app->plan->flow[f];
		if (is->kind != FL_FLOW_PIPELINE || is->from != stream)
			continue;
		int64_t lag = fl_app_lag(app, app->flow[f]) + backlog(app, is->to, seen);
		most = lag > most ? lag : most;
	}
	return most;
}

int64_t fl_app_backlog(struct fl_app *app, uint32_t stream)
{
	uint8_t *seen = fl_alloc(app->plan->streams);
	int64_t most = backlog(app, stream, seen);
	free(seen);
	return most;
}

const char *fl_app_endless(const struct fl_plan *plan)
{
	for (uint32_t f = 0; f < plan->flows; f++)
		if (plan->flow[f].kind == FL_FLOW_SOURCE && fl_source_endless(&plan->flow[f]))
			return plan->flow[f].name;
	return NULL;
}

/* How far everything is: moves with each commit and each batch that is read. */
static int64_t progress(struct fl_app *app, int *behind)
{
	int64_t sum = 0;
	for (uint32_t f = 0; f < app->plan->flows; f++) {
		uint32_t from = app->plan->flow[f].from;
		for (uint32_t k = 0; app->flow[f] && from != FL_NO_STREAM && k < app->plan->stream[from].partitions; k++)
			sum += app->streams->ops->end(app->streams, (uint32_t)app->stream_of[from], k) + atomic_load(&app->flow[f]->done[k]);
		*behind |= app->flow[f] && fl_app_lag(app, app->flow[f]) > 0;
	}
	return sum;
}

/* What a thread had in hand while the others were asked shows as progress between the two looks. */
int fl_app_idle(struct fl_app *app)
{
	int behind = 0;
	for (uint32_t k = 0; k < app->sources; k++)
		if (!atomic_load(&app->source[k]->ended))
			return 0;
	int64_t was = progress(app, &behind);
	for (uint32_t k = 0; k < app->workers; k++)
		if (!atomic_load(&app->worker[k]->idle))
			return 0;
	for (uint32_t k = 0; k < app->sinks; k++)
		if (!fl_sink_idle(app->sink[k]))
			return 0;
	return !behind && progress(app, &behind) == was && !behind;
}
