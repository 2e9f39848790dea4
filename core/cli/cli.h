/* The verbs of the command: argv[0] is the verb, the result is the process's exit status. Main thread. */
#ifndef FL_CLI_CLI_H
#define FL_CLI_CLI_H

int fl_cli_run(int argc, char **argv);
int fl_cli_check(int argc, char **argv);
int fl_cli_plugins(int argc, char **argv);
int fl_cli_pipe(int argc, char **argv);
int fl_cli_tail(int argc, char **argv);
int fl_cli_send(int argc, char **argv);
int fl_cli_dlq(int argc, char **argv);
int fl_cli_new(int argc, char **argv);
int fl_cli_version(int argc, char **argv);

#endif
