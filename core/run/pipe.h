/* `pipe`: one pipeline on stdin and stdout, without streams: the same stages, output and state code as in a worker. */
#ifndef FL_RUN_PIPE_H
#define FL_RUN_PIPE_H

#include "line.h"

struct fl_pipe_conf {
	const struct fl_plan *plan;
	const struct fl_plan_flow *flow;
	int streams;    /* --streams */
	int record_now; /* --now record */
	int in, out;    /* file descriptors */
};

struct fl_pipe_counts {
	uint64_t in, out, late, dead;
};

int fl_pipe_run(const struct fl_pipe_conf *conf, struct fl_pipe_counts *counts, char *err);

#endif
