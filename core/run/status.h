/* The live status line of `run`: rates, lag, late and dead counts, and where each flow waits. Main thread. */
#ifndef FL_RUN_STATUS_H
#define FL_RUN_STATUS_H

#include "app.h"

struct fl_status;
struct fl_status *fl_status_new(struct fl_app **app, uint32_t apps);
void fl_status_show(struct fl_status *st); /* about once a second */
void fl_status_free(struct fl_status *st);

#endif
