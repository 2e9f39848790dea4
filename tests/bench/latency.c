/* The latency probe: stands beside a running daemon as any reader does, and takes the time at which each record of a
 * stream can first be read. A record's own time is when it was made.
 *
 *   latency DATA APP STREAM SECONDS   percentiles of (readable - made) over that time, as one line of JSON
 *   latency DATA APP STREAM first     ends as soon as there is a record */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../core/base/clock.h"
#include "../../core/stream/stream.h"

#define PARTITIONS 64
#define PAUSE 200 /* microseconds between two looks */

static struct fl_streams *streams;
static struct fl_reader *reader;
static int stream = -1;
static int64_t next[PARTITIONS];
static double *latency;
static size_t count, room;

static void keep(double seconds)
{
	if (count == room) {
		room = room ? room * 2 : 65536;
		latency = fl_realloc(latency, room * sizeof *latency);
	}
	latency[count++] = seconds;
}

static int open_stream(const char *dir, const char *app, const char *name, char *err)
{
	struct fl_streams_conf conf = {.dir = dir, .app = app, .mode = FL_STREAMS_READ};
	struct fl_stream_def def = {.name = name};
	if (access(dir, F_OK) != 0 || !(streams = fl_embedded_open(&conf, err)))
		return -1;
	stream = streams->ops->declare(streams, &def, err);
	if (stream >= 0 && (reader = streams->ops->reader(streams, err)))
		return 0;
	streams->ops->close(streams);
	streams = NULL;
	return -1;
}

/* Reads what is new of one partition; the number of records, -1 for an error. */
static int look(uint32_t partition, char *err)
{
	int64_t first, end;
	if (streams->ops->bounds(streams, (uint32_t)stream, partition, &first, &end, err) != 0)
		return -1;
	double now = fl_now();
	int seen = 0;
	struct fl_segment *segment;
	while (next[partition] < end && streams->ops->read(reader, (uint32_t)stream, partition, next[partition], &segment, err) == 1) {
		struct fl_record record;
		int64_t offset = segment->base;
		for (size_t at = 0; fl_segment_next(segment, &at, &record) == 1; offset++) {
			if (offset < next[partition])
				continue;
			keep(now - record.time);
			seen++;
		}
		next[partition] = offset;
		fl_segment_unref(segment);
	}
	return seen;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double percentile(double part) { return count ? latency[(size_t)(part * (double)(count - 1))] : 0; }

int main(int argc, char **argv)
{
	char err[FL_ERRLEN] = "", dir[4096];
	if (argc != 5) {
		fprintf(stderr, "usage: latency DATA APP STREAM SECONDS|first\n");
		return 2;
	}
	int only_first = strcmp(argv[4], "first") == 0;
	double begin = fl_monotonic(), seconds = only_first ? 60 : atof(argv[4]);
	snprintf(dir, sizeof dir, "%s/%s", argv[1], argv[2]);
	while (open_stream(dir, argv[2], argv[3], err) != 0) {
		if (fl_monotonic() - begin > 10) {
			fprintf(stderr, "latency: %s\n", err);
			return 1;
		}
		usleep(PAUSE);
	}
	uint32_t partitions = streams->ops->partitions(streams, (uint32_t)stream);
	FL_ASSERT(partitions <= PARTITIONS);
	for (uint32_t p = 0; p < partitions && !only_first; p++)
		if (look(p, err) < 0) /* what is there already was not watched */
			fprintf(stderr, "latency: %s\n", err);
	count = 0;
	while (fl_monotonic() - begin < seconds && !(only_first && count)) {
		usleep(PAUSE);
		for (uint32_t p = 0; p < partitions; p++)
			if (look(p, err) < 0) {
				fprintf(stderr, "latency: %s\n", err);
				return 1;
			}
	}
	if (only_first)
		return count == 0;
	qsort(latency, count, sizeof *latency, by_size);
	printf("{\"count\":%zu,\"p50\":%.6f,\"p90\":%.6f,\"p99\":%.6f,\"max\":%.6f}\n", count, percentile(0.5), percentile(0.9),
		percentile(0.99), percentile(1));
	return 0;
}
