/* Sees files change, builds stages anew, hands them over. All of it runs on the watch thread, but start and stop. */
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "sink.h"
#include "source.h"
#include "worker.h"

/* A stage and the files that it is made of. */
struct watched {
	struct fl_app *app;
	struct fl_flow *flow;
	uint32_t stage;
	char **file;
	uint32_t files;
	int changed;
	struct watched *next;
};

struct place {
	int wd;
	char *dir;
};

struct fl_watch {
	pthread_t thread;
	int inotify, stop;
	struct watched *first;
	struct place *place;
	uint32_t places;
	int lost; /* a directory was moved or removed: another may come in its place */
};

/* ---- what is watched ------------------------------------------------------------------------------------------- */

static void add_file(struct watched *x, const char *path)
{
	char *real = realpath(path, NULL);
	if (!real)
		return;
	for (uint32_t k = 0; k < x->files; k++)
		if (strcmp(x->file[k], real) == 0) {
			free(real);
			return;
		}
	x->file = fl_realloc(x->file, (x->files + 1) * sizeof *x->file);
	x->file[x->files++] = real;
}

static void add_script(struct watched *x, const struct fl_script *sc)
{
	const char *const *path;
	uint32_t n = fl_script_files(sc, &path);
	for (uint32_t k = 0; k < n; k++)
		add_file(x, path[k]);
}

/* 1: it was not watched before, and is now; -1: it is not there. */
static int add_dir(struct fl_watch *w, const char *dir)
{
	char *real = realpath(dir, NULL);
	if (!real)
		return -1;
	for (uint32_t k = 0; k < w->places; k++)
		if (strcmp(w->place[k].dir, real) == 0) {
			free(real);
			return 0;
		}
	int wd = inotify_add_watch(w->inotify, real, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR);
	if (wd < 0) {
		fl_log(FL_WARN, NULL, "changes in %s are not seen until a restart: %s (see fs.inotify.max_user_watches)", real, strerror(errno));
		free(real);
		return 0;
	}
	w->place = fl_realloc(w->place, (w->places + 1) * sizeof *w->place);
	w->place[w->places++] = (struct place){wd, real};
	return 1;
}

/* The directory of every file; a directory that a file comes from later is added when it does. */
static void watch_files(struct fl_watch *w, struct watched *x)
{
	for (uint32_t k = 0; k < x->files; k++) {
		char *dir = fl_strdup(x->file[k]), *slash = strrchr(dir, '/');
		if (slash && slash != dir)
			*slash = 0;
		int rc = add_dir(w, dir);
		x->changed |= rc > 0 && w->lost; /* what came with it was not seen */
		w->lost |= rc < 0 ? 2 : 0;
		free(dir);
	}
}

static struct fl_line *any_line(struct fl_app *app, const struct fl_flow *flow)
{
	for (uint32_t k = 0; k < app->workers; k++)
		for (uint32_t j = 0; j < app->worker[k]->lines; j++)
			if (app->worker[k]->line[j]->flow == flow)
				return app->worker[k]->line[j];
	for (uint32_t k = 0; k < app->sources; k++)
		if (app->source[k]->flow == flow)
			return app->source[k]->line;
	return NULL;
}

static void add_flow(struct fl_watch *w, struct fl_app *app, struct fl_flow *flow)
{
	for (uint32_t k = 0; k < flow->is->stages; k++) {
		const struct fl_plan_stage *st = &flow->is->stage[k];
		struct fl_line *line = any_line(app, flow);
		struct watched *x = fl_alloc(sizeof *x);
		*x = (struct watched){.app = app, .flow = flow, .stage = k, .next = w->first};
		w->first = x;
		add_file(x, st->path);
		if (st->kind == FL_STAGE_SCRIPT && line)
			add_script(x, line->script[k]);
		watch_files(w, x);
	}
}

/* ---- building -------------------------------------------------------------------------------------------------- */

struct built {
	struct fl_swap **swap;
	uint32_t n;
};

static struct fl_swap *add_swap(struct built *b, struct watched *x, struct fl_mailbox *box, struct fl_line *line, double since)
{
	struct fl_swap *sw = fl_alloc(sizeof *sw);
	*sw = (struct fl_swap){.stage = x->stage, .line = line, .box = box, .since = since};
	b->swap = fl_realloc(b->swap, (b->n + 1) * sizeof(struct fl_swap *));
	return b->swap[b->n++] = sw;
}

static int build_script(struct watched *x, struct fl_swap *sw, char *err)
{
	sw->script = fl_line_script(x->flow, x->stage, err);
	return sw->script ? 0 : -1;
}

static int build_plugin(struct watched *x, struct fl_swap *sw, struct fl_module *m, char *err)
{
	const struct fl_lane *lane = sw->box->lane;
	sw->module = fl_module_ref(m);
	sw->instances = lane ? lane->seats : 1;
	sw->instance = fl_alloc(sw->instances * sizeof(struct fl_instance *));
	for (uint32_t j = 0; j < sw->instances; j++)
		if (!lane || lane->seat[j]->line == sw->line) {
			sw->instance[j] = fl_line_instance(x->flow, x->stage, m, err);
			if (!sw->instance[j])
				return -1;
		}
	return 0;
}

static int build_in(struct watched *x, struct built *b, struct fl_mailbox *box, struct fl_module *m, double since, char *err)
{
	for (uint32_t k = 0; k < box->lines; k++) {
		if (box->line[k]->flow != x->flow)
			continue;
		struct fl_swap *sw = add_swap(b, x, box, box->line[k], since);
		int rc = m ? build_plugin(x, sw, m, err) : build_script(x, sw, err);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int build_all(struct watched *x, struct built *b, struct fl_module *m, double since, char *err)
{
	struct fl_app *app = x->app;
	int rc = 0;
	for (uint32_t k = 0; k < app->workers && rc == 0; k++)
		rc = build_in(x, b, &app->worker[k]->box, m, since, err);
	for (uint32_t k = 0; k < app->sources && rc == 0; k++)
		rc = build_in(x, b, &app->source[k]->box, m, since, err);
	for (uint32_t k = 0; k < app->sinks && rc == 0; k++)
		rc = build_in(x, b, fl_sink_box(app->sink[k]), m, since, err);
	return rc;
}

/* All threads get the new stage, or none does. */
static void rebuild(struct fl_watch *w, struct watched *x, double since)
{
	const struct fl_plan_stage *st = &x->flow->is->stage[x->stage];
	struct built b = {0};
	struct fl_module *m = NULL;
	char err[FL_ERRLEN];
	int rc = 0;
	if (st->kind == FL_STAGE_PLUGIN)
		rc = (m = fl_module_load_file(st->path, err)) ? 0 : -1;
	if (rc == 0)
		rc = build_all(x, &b, m, since, err);
	if (rc < 0) {
		fl_metric_add(x->flow->failed, 1);
		fl_log(FL_ERROR, x->flow->who, "%s; the running %s goes on", err, st->name);
	}
	for (uint32_t k = 0; k < b.n; k++) {
		if (rc == 0 && b.swap[k]->script) {
			add_script(x, b.swap[k]->script);
			watch_files(w, x);
		}
		if (rc == 0)
			fl_mailbox_put(b.swap[k]->box, b.swap[k]);
		else
			fl_swap_retire(b.swap[k]);
	}
	free(b.swap);
	if (m)
		fl_module_unref(m);
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static void forget_dir(struct fl_watch *w, int wd)
{
	for (uint32_t k = 0; k < w->places; k++)
		if (w->place[k].wd == wd) {
			free(w->place[k].dir);
			w->place[k--] = w->place[--w->places];
		}
	w->lost = 1;
}

static void mark_changed(struct fl_watch *w, const struct inotify_event *e)
{
	if (e->mask & IN_MOVE_SELF)
		inotify_rm_watch(w->inotify, e->wd); /* and then it is ignored */
	if (e->mask & IN_IGNORED)
		forget_dir(w, e->wd);
	for (struct watched *x = w->first; x && (e->mask & IN_Q_OVERFLOW); x = x->next)
		x->changed = 1; /* more was saved than the queue holds */
	for (uint32_t k = 0; k < w->places && e->len; k++) {
		if (w->place[k].wd != e->wd)
			continue;
		char *path = fl_printf("%s/%s", w->place[k].dir, e->name);
		for (struct watched *x = w->first; x; x = x->next)
			for (uint32_t j = 0; j < x->files; j++)
				x->changed |= strcmp(x->file[j], path) == 0;
		free(path);
	}
}

/* A directory that was replaced (a checkout, a deployment) is watched again as soon as it is back. */
static void find_lost(struct fl_watch *w)
{
	if (!w->lost)
		return;
	w->lost = 1;
	for (struct watched *x = w->first; x; x = x->next)
		watch_files(w, x);
	w->lost = w->lost > 1;
}

static void read_events(struct fl_watch *w)
{
	_Alignas(struct inotify_event) char buf[16 << 10];
	for (ssize_t n; (n = read(w->inotify, buf, sizeof buf)) > 0;)
		for (char *p = buf; p < buf + n; p += sizeof(struct inotify_event) + ((struct inotify_event *)(void *)p)->len)
			mark_changed(w, (struct inotify_event *)(void *)p);
}

static void rebuild_changed(struct fl_watch *w, double since)
{
	for (struct watched *x = w->first; x; x = x->next)
		if (x->changed) {
			x->changed = 0;
			rebuild(w, x, since);
		}
}

static void *run(void *arg)
{
	struct fl_watch *w = arg;
	struct pollfd fd[2] = {{.fd = w->inotify, .events = POLLIN}, {.fd = w->stop, .events = POLLIN}};
	for (;;) {
		poll(fd, 2, 500);
		if (fd[1].revents)
			return NULL;
		double since = fl_monotonic();
		if (fd[0].revents)
			read_events(w);
		find_lost(w);
		rebuild_changed(w, since);
		fl_swap_close_retired();
	}
}

struct fl_watch *fl_watch_start(struct fl_app **app, uint32_t apps, char *err)
{
	struct fl_watch *w = fl_alloc(sizeof *w);
	w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	w->stop = eventfd(0, EFD_CLOEXEC);
	if (w->inotify < 0 || w->stop < 0) {
		fl_err(err, "files can't be watched for changes: %s", strerror(errno));
		free(w);
		return NULL;
	}
	for (uint32_t k = 0; k < apps; k++)
		for (uint32_t f = 0; f < app[k]->plan->flows; f++)
			if (app[k]->flow[f])
				add_flow(w, app[k], app[k]->flow[f]);
	FL_ASSERT(pthread_create(&w->thread, NULL, run, w) == 0);
	pthread_setname_np(w->thread, "watch");
	return w;
}

void fl_watch_stop(struct fl_watch *w)
{
	if (!w)
		return;
	uint64_t one = 1;
	FL_ASSERT(write(w->stop, &one, sizeof one) == sizeof one);
	pthread_join(w->thread, NULL);
	while (w->first) {
		struct watched *x = w->first;
		w->first = x->next;
		for (uint32_t k = 0; k < x->files; k++)
			free(x->file[k]);
		free(x->file);
		free(x);
	}
	for (uint32_t k = 0; k < w->places; k++)
		free(w->place[k].dir);
	free(w->place);
	close(w->inotify);
	close(w->stop);
	free(w);
}
