/* The thread that writes checkpoints: syncs the log first, then LMDB. One an app. */
#ifndef FL_RUN_CHECKPOINT_H
#define FL_RUN_CHECKPOINT_H

#include <stdatomic.h>

#include "../state/state.h"
#include "../stream/stream.h"

struct fl_pending {
	struct fl_snapshot *snapshot;
	_Atomic int done;          /* 1 written, -1 not; set by the checkpointer, with release */
	struct fl_reader *wake;    /* of the lane that asked */
	struct fl_trim {
		uint32_t stream;
		int64_t next;
	} *trim;                   /* changelogs that may lose what is before next */
	uint32_t trims, partition;
	struct fl_pending *link;
};

struct fl_checkpointer;
struct fl_checkpointer *fl_checkpointer_start(struct fl_streams *streams, const char *who);
void fl_checkpointer_stop(struct fl_checkpointer *cp); /* after writing what was handed in */
void fl_checkpointer_add(struct fl_checkpointer *cp, struct fl_pending *p);
/* Before a reader that was named in fl_pending.wake is closed: done is seen a moment before the wake() that follows it. */
void fl_checkpointer_leave(struct fl_checkpointer *cp);

#endif
