/* `fairlead run`: opens the apps, waits for signals or for the end, drains. Main thread. */
#include <getopt.h>
#include <stdio.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../run/app.h"
#include "../run/status.h"
#include "../run/watch.h"
#include "cli.h"
#include "common.h"

static const char HELP[] =
	"fairlead run CONF… [--data DIR] [--workers N] [--until-idle] [--log-format text|json]\n"
	"\n"
	"Runs the pipelines of one or several confs until SIGTERM or SIGINT (Ctrl-C), which commit what is in hand and end\n"
	"with status 0; a second one, or 10 seconds, end it at once with 1. Nothing is lost either way.\n"
	"\n"
	"  --data DIR         where streams and state are kept, a directory per app (default ./var)\n"
	"  --workers N        threads for pipelines (default: one a processor, at most one a partition)\n"
	"  --until-idle       end with status 0 when all sources have ended and everything is processed\n"
	"  --log-format json  one JSON object a line on stderr instead of text\n"
	"  --log-level LEVEL  error, warn, info (default) or debug\n"
	"\n"
	"Scripts are live when they are saved, and plugins when their .so is replaced.\n"
	"Example: fairlead run conf/yacht.lua     then: fairlead tail conf/yacht.lua enriched_data --follow\n";

struct run_options {
	struct fl_app_conf app;
	int until_idle, json;
	enum fl_level level;
};

static int parse_level(const char *text, enum fl_level *level)
{
	static const char *const NAME[] = {"error", "warn", "info", "debug"};
	for (int k = 0; k < 4; k++)
		if (strcmp(text, NAME[k]) == 0) {
			*level = (enum fl_level)k;
			return 0;
		}
	return -1;
}

static int parse(int argc, char **argv, struct run_options *o)
{
	static const struct option LONG[] = {{"data", 1, 0, 'd'}, {"workers", 1, 0, 'w'}, {"until-idle", 0, 0, 'u'},
		{"log-format", 1, 0, 'f'}, {"log-level", 1, 0, 'l'}, {"help", 0, 0, 'h'}, {0}};
	*o = (struct run_options){.app = {.data = "var"}, .level = FL_INFO};
	for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;) {
		long long n;
		switch (c) {
		case 'd': o->app.data = optarg; break;
		case 'w':
			if ((n = fl_cli_number(optarg)) < 1 || n > 256)
				return fl_cli_misused("run", "--workers %s: it takes a number from 1 to 256", optarg);
			o->app.workers = (uint32_t)n;
			break;
		case 'u': o->until_idle = 1; break;
		case 'f':
			o->json = strcmp(optarg, "json") == 0;
			if (!o->json && strcmp(optarg, "text") != 0)
				return fl_cli_misused("run", "--log-format %s: it is text or json", optarg);
			break;
		case 'l':
			if (parse_level(optarg, &o->level) < 0)
				return fl_cli_misused("run", "--log-level %s: it is error, warn, info or debug", optarg);
			break;
		case 'h': fputs(HELP, stdout); return -1;
		default: return fl_cli_misused("run", "it was called with what it does not know");
		}
	}
	return optind < argc ? 0 : fl_cli_misused("run", "it needs a CONF, as in fairlead run conf/yacht.lua");
}

/* ---- ending ---------------------------------------------------------------------------------------------------- */

static void end_now(int sig)
{
	static const char ASKED[] = "fairlead: ended at once, as it was asked twice; what was not committed is done again after the next start\n";
	static const char LATE[] = "fairlead: ended at once, as draining took over 10 s; what was not committed is done again after the next start\n";
	ssize_t n = sig == SIGALRM ? write(2, LATE, sizeof LATE - 1) : write(2, ASKED, sizeof ASKED - 1);
	(void)n;
	_exit(1);
}

/* From here on another signal, or ten seconds, end the process. */
static void limit_drain(void)
{
	struct sigaction sa = {.sa_handler = end_now};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm(10);
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL); /* all threads inherit it; only the main thread waits for them */
	signal(SIGPIPE, SIG_IGN);
}

static int all_idle(struct fl_app **app, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (!fl_app_idle(app[k]))
			return 0;
	return 1;
}

static void wait_for_end(struct fl_app **app, uint32_t n, const struct run_options *o, const sigset_t *set)
{
	struct fl_status *status = fl_status_new(app, n);
	struct timespec nap = {.tv_sec = o->until_idle ? 0 : 1, .tv_nsec = o->until_idle ? 10000000 : 0};
	double shown = fl_monotonic();
	for (;;) {
		int sig = sigtimedwait(set, NULL, &nap);
		if (sig == SIGINT || sig == SIGTERM)
			break;
		if (sig == SIGHUP)
			fl_log(FL_WARN, NULL, "a changed conf takes a restart; scripts and plugins are live when they are saved");
		if (o->until_idle && all_idle(app, n))
			break;
		if (fl_monotonic() - shown >= 1) {
			fl_status_show(status);
			shown = fl_monotonic();
		}
	}
	fl_status_free(status);
}

static void say_totals(struct fl_app **app, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		for (uint32_t f = 0; f < app[k]->plan->flows; f++) {
			struct fl_flow *fl = app[k]->flow[f];
			if (fl)
				fl_log(FL_INFO, fl->who, "%llu in, %llu out, %llu late, %llu dead", (unsigned long long)fl_metric_read(fl->in),
				       (unsigned long long)fl_metric_read(fl->out), (unsigned long long)fl_metric_read(fl->late),
				       (unsigned long long)fl_metric_read(fl->dead));
		}
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static int run_apps(struct fl_app **app, uint32_t n, const struct run_options *o, const sigset_t *set)
{
	char err[FL_ERRLEN];
	struct fl_watch *watch = fl_watch_start(app, n, err);
	if (!watch)
		fl_log(FL_WARN, NULL, "scripts are not live: %s", err);
	for (uint32_t k = 0; k < n; k++) {
		fl_app_start(app[k]);
		fl_log(FL_INFO, app[k]->plan->app, "running %s, data in %s", app[k]->plan->file, app[k]->dir);
	}
	wait_for_end(app, n, o, set);
	limit_drain();
	for (uint32_t k = 0; k < n; k++)
		fl_app_ask_stop(app[k]);
	fl_watch_stop(watch);
	say_totals(app, n);
	return 0;
}

static int ends(const struct fl_plan *plan)
{
	const char *endless = fl_app_endless(plan);
	if (endless)
		fl_cli_fail(2, "--until-idle: source \"%s\" of %s never ends; leave the option away and stop the daemon with a signal",
			    endless, plan->file);
	return !endless;
}

int fl_cli_run(int argc, char **argv)
{
	struct run_options o;
	int rc = parse(argc, argv, &o);
	if (rc)
		return rc < 0 ? 0 : rc;
	uint32_t n = 0, most = (uint32_t)(argc - optind);
	struct fl_plan **plan = fl_alloc(most * sizeof(struct fl_plan *));
	struct fl_app **app = fl_alloc(most * sizeof(struct fl_app *));
	sigset_t set;
	char err[FL_ERRLEN];
	fl_log_setup(o.json, o.level);
	block_signals(&set);
	for (; n < most && rc == 0; n++) {
		plan[n] = fl_cli_plan(argv[optind + (int)n], 0);
		if (!plan[n] || !fl_cli_new_app(plan, n) || (o.until_idle && !ends(plan[n])))
			rc = 2;
		else if (!(app[n] = fl_app_open(plan[n], &o.app, err)))
			rc = fl_cli_fail(1, "%s", err);
	}
	if (rc == 0)
		rc = run_apps(app, n, &o, &set);
	for (uint32_t k = 0; k < n; k++) {
		if (app[k])
			fl_app_close(app[k]);
		if (plan[k])
			fl_plan_free(plan[k]);
	}
	free(app);
	free(plan);
	return rc;
}
