/* The watch thread: sees files change (inotify), builds the stages that are made of them anew, and hands them to the
 * threads that run them. One a daemon. */
#ifndef FL_RUN_WATCH_H
#define FL_RUN_WATCH_H

#include "app.h"

struct fl_watch;
struct fl_watch *fl_watch_start(struct fl_app **app, uint32_t apps, char *err);
void fl_watch_stop(struct fl_watch *w); /* before the apps are closed */

#endif
