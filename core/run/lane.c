/* Commits and checkpoints of one thread's tasks. Called by worker.c and source.c, each on its own lane. */
#include "lane.h"

#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"

/* A commit under way. */
struct fl_flight {
	struct fl_txn *txn;
	struct fl_changelog **log; /* whose append is txn->append[k]; NULL: a stream of the plan */
};

int fl_lane_open(struct fl_lane *lane, struct fl_app *app, char *err)
{
	*lane = (struct fl_lane){.app = app};
	fl_output_open(&lane->out, app->plan, NULL);
	lane->reader = app->streams->ops->reader(app->streams, err);
	return lane->reader ? 0 : -1;
}

struct fl_seat *fl_lane_seat(struct fl_lane *lane, struct fl_flow *flow, struct fl_line *line, uint32_t partition)
{
	struct fl_seat *seat = fl_alloc(sizeof *seat);
	seat->flow = flow;
	seat->line = line;
	seat->task.partition = partition;
	lane->seat = fl_realloc(lane->seat, (lane->seats + 1) * sizeof *lane->seat);
	return lane->seat[lane->seats++] = seat;
}

/* ---- committing ------------------------------------------------------------------------------------------------ */

void fl_lane_mark(struct fl_lane *lane)
{
	if (lane->first == 0)
		lane->first = fl_monotonic();
}

int fl_lane_full(const struct fl_lane *lane, double now)
{
	return lane->first > 0 && (lane->out.bytes >= FL_COMMIT_BYTES || now - lane->first >= FL_COMMIT_SECONDS);
}

static void collect_change(void *arg, struct fl_store *store, struct fl_str key, struct fl_str value)
{
	struct fl_seat *seat = arg;
	uint32_t k = 0;
	while (k < seat->logs && seat->log[k].store != store)
		k++;
	FL_ASSERT(k < seat->logs); /* every store was given its changelog when it was made */
	fl_segment_add(&seat->log[k].buf, &(struct fl_record){.key = key, .value = value});
	seat->log[k].n++;
}

static void add_position(struct fl_txn *txn, struct fl_lane *lane, struct fl_seat *seat)
{
	if (seat->next == seat->committed || seat->flow->is->from == FL_NO_STREAM)
		return;
	txn->position[txn->positions++] = (struct fl_reader_position){
		seat->flow->is->name, (uint32_t)lane->app->stream_of[seat->flow->is->from], seat->task.partition, seat->next};
	seat->committed = seat->next;
	seat->pause = 0; /* it got further */
	fl_task_forget(&seat->task, seat->next);
}

static void add_changes(struct fl_flight *fl, struct fl_seat *seat)
{
	for (uint32_t k = 0; k < seat->logs; k++) {
		struct fl_changelog *log = &seat->log[k];
		if (!log->n)
			continue;
		struct fl_segment *seg = fl_segment_take(&log->buf, log->n);
		log->n = 0;
		fl->log[fl->txn->appends] = log;
		fl->txn->append[fl->txn->appends++] = (struct fl_append){(uint32_t)log->stream, seat->task.partition, seg};
		fl->txn->bytes += seg->size;
		seat->changed = 1;
	}
}

static struct fl_flight *build(struct fl_lane *lane)
{
	uint32_t appends = fl_output_parts(&lane->out);
	for (uint32_t k = 0; k < lane->seats; k++)
		if (lane->seat[k]->open) {
			fl_state_collect(lane->seat[k]->task.state, collect_change, lane->seat[k]);
			appends += lane->seat[k]->logs;
		}
	struct fl_flight *fl = fl_alloc(sizeof *fl);
	fl->txn = fl_alloc(sizeof *fl->txn);
	fl->txn->append = fl_alloc((appends + 1) * sizeof *fl->txn->append);
	fl->txn->position = fl_alloc((lane->seats + 1) * sizeof *fl->txn->position);
	fl->log = fl_alloc((appends + 1) * sizeof *fl->log);
	fl_output_take(&lane->out, fl->txn, lane->app->stream_of);
	for (uint32_t k = 0; k < lane->seats; k++)
		if (lane->seat[k]->open) {
			add_position(fl->txn, lane, lane->seat[k]);
			add_changes(fl, lane->seat[k]);
			if (lane->seat[k]->flow->is->from == FL_NO_STREAM && fl->txn->appends)
				lane->seat[k]->pause = 0;
		}
	return fl;
}

static void flight_free(struct fl_flight *fl)
{
	fl_txn_free(fl->txn);
	free(fl->log);
	free(fl);
}

void fl_lane_reap(struct fl_lane *lane)
{
	while (lane->flights && atomic_load_explicit(&lane->flight[0]->txn->done, memory_order_acquire)) {
		struct fl_flight *fl = lane->flight[0];
		for (uint32_t k = 0; k < fl->txn->appends; k++) {
			const struct fl_append *a = &fl->txn->append[k];
			if (fl->log[k])
				fl->log[k]->next = a->segment->base + a->segment->n;
		}
		flight_free(fl);
		lane->flights--;
		for (uint32_t k = 0; k < lane->flights; k++)
			lane->flight[k] = lane->flight[k + 1];
		fl_metric_add(lane->app->commits, 1);
	}
}

void fl_lane_sleep(struct fl_lane *lane, double seconds)
{
	lane->missed = 1;
	lane->app->streams->ops->wait(lane->reader, seconds);
}

void fl_lane_wait(struct fl_lane *lane, uint32_t most)
{
	fl_lane_reap(lane);
	while (lane->flights > most) {
		fl_lane_sleep(lane, 1);
		fl_lane_reap(lane);
	}
}

/* Scripts' values into their stores. Where a script ran out of memory with some of them, the positions that go with
 * them must not be committed. */
static int flush(struct fl_lane *lane)
{
	char err[FL_ERRLEN];
	for (uint32_t k = 0; k < lane->seats; k++) {
		struct fl_seat *seat = lane->seat[k];
		if (!seat->open || fl_task_flush(&seat->task, err) == 0)
			continue;
		fl_log(FL_ERROR, seat->flow->who, "partition %u goes back to its last commit: %s", seat->task.partition, err);
		fl_lane_abort(lane, seat);
		return -1;
	}
	return 0;
}

void fl_lane_commit(struct fl_lane *lane)
{
	if (lane->first == 0)
		return;
	fl_lane_wait(lane, FL_FLIGHTS - 1);
	if (flush(lane) < 0)
		return;
	struct fl_flight *fl = build(lane);
	lane->first = 0;
	if (!fl->txn->appends && !fl->txn->positions) {
		flight_free(fl);
		return;
	}
	lane->flight[lane->flights++] = fl;
	lane->app->streams->ops->commit(lane->app->streams, fl->txn);
}

void fl_lane_settle(struct fl_lane *lane)
{
	fl_lane_commit(lane);
	fl_lane_wait(lane, 0);
}

/* ---- checkpoints ----------------------------------------------------------------------------------------------- */

void fl_seat_reap(struct fl_seat *seat)
{
	int done = seat->pending ? atomic_load_explicit(&seat->pending->done, memory_order_acquire) : 0;
	if (!done)
		return;
	fl_state_settled(seat->task.state, seat->pending->snapshot, done > 0);
	if (done < 0)
		seat->changed = 1;
	seat->failed_checkpoint = done < 0;
	free(seat->pending->trim);
	free(seat->pending);
	seat->pending = NULL;
}

static void start_checkpoint(struct fl_lane *lane, struct fl_seat *seat)
{
	struct fl_store *store[FL_COLUMNS_MAX];
	int64_t next[FL_COLUMNS_MAX];
	uint32_t n = fl_state_stores(seat->task.state, store, FL_COLUMNS_MAX);
	struct fl_pending *p = fl_alloc(sizeof *p);
	p->trim = fl_alloc((n + 1) * sizeof *p->trim);
	for (uint32_t k = 0; k < n; k++) {
		const struct fl_changelog *log = seat->log;
		while (log->store != store[k])
			log++;
		next[k] = log->next;
		p->trim[p->trims++] = (struct fl_trim){(uint32_t)log->stream, log->next};
	}
	p->snapshot = fl_state_snapshot(seat->task.state, next);
	if (!p->snapshot) {
		free(p->trim);
		free(p);
		return;
	}
	p->partition = seat->task.partition;
	p->wake = lane->reader;
	seat->pending = p;
	fl_checkpointer_add(lane->app->checkpointer, p);
}

void fl_lane_checkpoint(struct fl_lane *lane, double now, int all)
{
	for (uint32_t k = 0; k < lane->seats; k++) {
		struct fl_seat *seat = lane->seat[k];
		fl_seat_reap(seat);
		if (!seat->open || seat->pending)
			continue;
		/* One that failed waits its turn, however much there is: a full disk is not asked again at once. */
		int due = all || now >= seat->checkpoint_at || (!seat->failed_checkpoint && fl_state_due(seat->task.state));
		if (!due || !(seat->changed || lane->first > 0))
			continue;
		/* What goes into the checkpoint must be committed, all of it. */
		fl_lane_settle(lane);
		seat->checkpoint_at = now + FL_CHECKPOINT_SECONDS;
		if (seat->changed)
			start_checkpoint(lane, seat);
		seat->changed = 0;
	}
}

double fl_lane_next(const struct fl_lane *lane, double now)
{
	double next = 1;
	for (uint32_t k = 0; k < lane->seats; k++) {
		const struct fl_seat *seat = lane->seat[k];
		double at = !seat->open ? seat->retry_at : seat->changed && !seat->pending ? seat->checkpoint_at : now + 1;
		if (at - now < next)
			next = at - now;
	}
	return next > 0 ? next : 0;
}

void fl_lane_close(struct fl_lane *lane)
{
	if (!lane->app)
		return;
	for (uint32_t k = 0; k < lane->seats; k++)
		fl_seat_free(lane, lane->seat[k]);
	free(lane->seat);
	fl_checkpointer_leave(lane->app->checkpointer); /* it wakes the reader after its last word */
	if (lane->reader)
		lane->app->streams->ops->reader_close(lane->reader);
	fl_output_close(&lane->out);
}
