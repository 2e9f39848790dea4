/* Takes reloaded stages over. fl_mailbox_put and the closing run on the watch thread, fl_mailbox_take on the thread that
 * runs the stage. */
#include "swap.h"

#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"

void fl_mailbox_init(struct fl_mailbox *box, struct fl_streams *streams, struct fl_reader *reader)
{
	*box = (struct fl_mailbox){.streams = streams, .reader = reader};
	pthread_mutex_init(&box->lock, NULL);
}

void fl_mailbox_put(struct fl_mailbox *box, struct fl_swap *sw)
{
	pthread_mutex_lock(&box->lock);
	struct fl_swap **at = &box->first;
	while (*at)
		at = &(*at)->link;
	sw->link = NULL;
	*at = sw;
	atomic_store(&box->full, 1);
	pthread_mutex_unlock(&box->lock);
	box->streams->ops->wake(box->reader);
}

/* ---- taking ---------------------------------------------------------------------------------------------------- */

static int seat_runs(const struct fl_swap *sw, const struct fl_seat *seat) { return seat->line == sw->line && seat->open; }

/* New tasks of the script for all seats, migrated; only when all of them can be had the old ones go. */
static int take_script(struct fl_swap *sw, char *err)
{
	struct fl_lane *lane = sw->box->lane;
	struct fl_script_task **made = fl_alloc((lane->seats + 1) * sizeof *made);
	int rc = 0;
	for (uint32_t j = 0; j < lane->seats && rc == 0; j++)
		if (seat_runs(sw, lane->seat[j])) {
			rc = fl_task_check_stores(&lane->seat[j]->task, sw->stage, sw->script, NULL, err);
			made[j] = fl_script_task_new(sw->script, lane->seat[j]->task.state, sw->line->flow->is->name);
			rc = rc < 0 ? -1 : fl_script_migrate(made[j], fl_now(), err);
		}
	for (uint32_t j = 0; j < lane->seats; j++) {
		if (!made[j])
			continue;
		struct fl_script_task **at = &lane->seat[j]->task.stage[sw->stage].script;
		struct fl_script_task *old = rc == 0 ? *at : made[j];
		if (rc == 0)
			*at = made[j];
		fl_script_task_free(old);
	}
	free(made);
	if (rc == 0) {
		struct fl_script *old = sw->line->script[sw->stage];
		sw->line->script[sw->stage] = sw->script;
		sw->script = old;
	}
	return rc;
}

static int take_plugin(struct fl_swap *sw, char *err)
{
	struct fl_lane *lane = sw->box->lane;
	for (uint32_t j = 0; j < sw->instances; j++)
		if (sw->instance[j] && seat_runs(sw, lane->seat[j]) &&
		    (fl_task_check_stores(&lane->seat[j]->task, sw->stage, NULL, sw->instance[j], err) < 0 ||
		     fl_instance_bind(sw->instance[j], lane->seat[j]->task.state, err) < 0))
			return -1;
	for (uint32_t j = 0; j < sw->instances; j++)
		if (sw->instance[j] && seat_runs(sw, lane->seat[j])) {
			struct fl_instance **at = &lane->seat[j]->task.stage[sw->stage].instance, *old = *at;
			*at = sw->instance[j];
			sw->instance[j] = old;
		}
	struct fl_module *old = sw->line->module[sw->stage];
	sw->line->module[sw->stage] = sw->module;
	sw->module = old;
	return 0;
}

static void take_sink(struct fl_swap *sw)
{
	struct fl_instance *old = *sw->box->instance;
	*sw->box->instance = sw->instance[0];
	sw->instance[0] = old;
	struct fl_module *was = sw->line->module[0];
	sw->line->module[0] = sw->module;
	sw->module = was;
	sw->box->taken(sw->box->arg);
}

static void take(struct fl_swap *sw)
{
	struct fl_flow *flow = sw->line->flow;
	const char *name = flow->is->stage[sw->stage].name;
	char err[FL_ERRLEN];
	int rc = 0;
	if (!sw->box->lane)
		take_sink(sw);
	else if (sw->script)
		rc = take_script(sw, err);
	else
		rc = take_plugin(sw, err);
	if (rc < 0) {
		fl_lane_abort(sw->box->lane, NULL); /* some tasks may be migrated already: all go back to the commit before */
		fl_metric_add(flow->failed, 1);
		fl_log(FL_ERROR, flow->who, "the new %s is not used, the running one goes on: %s", name, err);
	} else {
		fl_metric_add(flow->reloads, 1);
		fl_log(FL_INFO, flow->who, "%s is live, %.0f ms after it was saved", name, (fl_monotonic() - sw->since) * 1e3);
	}
	fl_swap_retire(sw);
}

void fl_mailbox_take(struct fl_mailbox *box)
{
	if (!atomic_load_explicit(&box->full, memory_order_relaxed))
		return;
	if (box->lane) /* what the old one did is one commit, what the new one does the next */
		fl_lane_commit(box->lane);
	pthread_mutex_lock(&box->lock);
	struct fl_swap *sw = box->first;
	box->first = NULL;
	atomic_store(&box->full, 0);
	pthread_mutex_unlock(&box->lock);
	while (sw) {
		struct fl_swap *next = sw->link;
		take(sw);
		if (box->lane)
			fl_lane_mark(box->lane); /* a migration may have changed state */
		sw = next;
	}
}

void fl_mailbox_close(struct fl_mailbox *box)
{
	while (box->first) {
		struct fl_swap *sw = box->first;
		box->first = sw->link;
		fl_swap_retire(sw);
	}
	pthread_mutex_destroy(&box->lock);
}

/* ---- what was replaced ----------------------------------------------------------------------------------------- */

static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fl_swap *retired;

void fl_swap_retire(struct fl_swap *sw)
{
	pthread_mutex_lock(&retired_lock);
	sw->link = retired;
	retired = sw;
	pthread_mutex_unlock(&retired_lock);
}

void fl_swap_close_retired(void)
{
	pthread_mutex_lock(&retired_lock);
	struct fl_swap *sw = retired;
	retired = NULL;
	pthread_mutex_unlock(&retired_lock);
	while (sw) {
		struct fl_swap *next = sw->link;
		if (sw->script)
			fl_script_close(sw->script);
		for (uint32_t j = 0; j < sw->instances; j++)
			fl_instance_close(sw->instance[j]);
		free(sw->instance);
		if (sw->module)
			fl_module_unref(sw->module);
		free(sw);
		sw = next;
	}
}
