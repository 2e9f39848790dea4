/* How fast the embedded streams take records in: segments of so many records of 110 bytes, two streams and a position a
 * step; then small steps, one at a time; then a reader from the beginning. Usage: stream [DIR [SECONDS [RECORDS]]];
 * with POWER in the environment every commit is synced. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../../core/base/clock.h"
#include "../../core/stream/stream.h"

static double cpu(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static struct fl_segment *make(uint32_t n)
{
	struct fl_buf b = {0};
	char text[90];
	memset(text, 'x', sizeof text);
	for (uint32_t i = 0; i < n; i++)
		fl_segment_add(&b, &(struct fl_record){1.5, {NULL, 0}, {NULL, 0}, {text, sizeof text}});
	return fl_segment_take(&b, n);
}

static struct fl_txn *step(uint32_t n, int64_t next)
{
	struct fl_txn *t = fl_alloc(sizeof *t);
	t->appends = 2;
	t->append = fl_alloc(2 * sizeof *t->append);
	for (uint32_t i = 0; i < 2; i++) {
		t->append[i] = (struct fl_append){i, 0, make(n)};
		t->bytes += t->append[i].segment->size;
	}
	t->positions = 1;
	t->position = fl_alloc(sizeof *t->position);
	t->position[0] = (struct fl_reader_position){"bench", 0, 0, next};
	return t;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

#define UNDER_WAY 32

static void bulk(struct fl_streams *s, uint32_t n, double seconds)
{
	struct fl_txn *way[UNDER_WAY] = {0};
	double begin = fl_monotonic(), cpu0 = cpu(), make_cpu;
	int64_t records = 0;
	uint32_t i = 0;
	for (; fl_monotonic() - begin < seconds; i++) {
		struct fl_txn **t = &way[i % UNDER_WAY];
		while (*t && !atomic_load(&(*t)->done))
			usleep(50);
		fl_txn_free(*t);
		*t = step(n, records);
		records += 2 * n;
		s->ops->commit(s, *t);
	}
	for (uint32_t k = 0; k < UNDER_WAY; k++) {
		while (way[k] && !atomic_load(&way[k]->done))
			usleep(50);
		fl_txn_free(way[k]);
	}
	double took = fl_monotonic() - begin, used = cpu() - cpu0;
	make_cpu = cpu();
	for (uint32_t k = 0; k < 20; k++)
		fl_segment_unref(make(n));
	make_cpu = (cpu() - make_cpu) / 20 / n;
	printf("bulk, %u records a segment: %.2f M records/s, %.3f us CPU a record in all, of it %.3f making them\n", n,
	       (double)records / took / 1e6, used / (double)records * 1e6, make_cpu * 1e6);
}

static void small(struct fl_streams *s, double seconds)
{
	static double took[100000];
	uint32_t n = 0;
	double begin = fl_monotonic();
	while (fl_monotonic() - begin < seconds && n < 100000) {
		struct fl_txn *t = step(10, n);
		double at = fl_monotonic();
		s->ops->commit(s, t);
		while (!atomic_load_explicit(&t->done, memory_order_acquire)) {
		}
		took[n++] = fl_monotonic() - at;
		fl_txn_free(t);
		usleep(2000);
	}
	qsort(took, n, sizeof *took, by_size);
	printf("small, 10 records each 2 ms: p50 %.3f ms, p99 %.3f ms, most %.3f ms of %u\n", took[n / 2] * 1e3,
	       took[n * 99 / 100] * 1e3, took[n - 1] * 1e3, n);
}

static void scan(struct fl_streams *s)
{
	char err[FL_ERRLEN];
	struct fl_reader *r = s->ops->reader(s, err);
	struct fl_segment *seg;
	int64_t from = 0, first, next, n = 0;
	double begin = fl_monotonic(), cpu0 = cpu();
	s->ops->bounds(s, 0, 0, &first, &next, err);
	while (from < next && s->ops->read(r, 0, 0, from, &seg, err) == 1) {
		from = seg->base + seg->n;
		n += seg->n;
		fl_segment_unref(seg);
	}
	printf("read from the beginning: %.2f M records/s, %.3f us CPU a record, of %lld\n",
	       (double)n / (fl_monotonic() - begin) / 1e6, (cpu() - cpu0) / (double)n * 1e6, (long long)n);
	s->ops->reader_close(r);
}

int main(int argc, char **argv)
{
	char err[FL_ERRLEN];
	char made[] = "/tmp/fairlead-bench-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
	double seconds = argc > 2 ? atof(argv[2]) : 5;
	uint32_t n = argc > 3 ? (uint32_t)atoi(argv[3]) : 1000;
	double begin = fl_monotonic();
	struct fl_streams_conf conf = {.dir = dir, .app = "bench", .power = getenv("POWER") != NULL};
	struct fl_streams *s = fl_embedded_open(&conf, err);
	if (!s || s->ops->declare(s, &(struct fl_stream_def){.name = "a", .partitions = 1}, err) != 0 ||
	    s->ops->declare(s, &(struct fl_stream_def){.name = "b", .partitions = 1}, err) != 1) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	struct fl_txn *t = step(1, 0);
	s->ops->commit(s, t);
	while (!atomic_load(&t->done))
		usleep(50);
	fl_txn_free(t);
	printf("from nothing to the first commit: %.1f ms\n", (fl_monotonic() - begin) * 1e3);
	small(s, 2);
	bulk(s, n, seconds);
	small(s, 2);
	scan(s);
	s->ops->close(s);
	if (argc < 2) {
		char *rm = fl_printf("rm -rf %s", dir);
		if (system(rm))
			return 1;
		free(rm);
	}
	return 0;
}
