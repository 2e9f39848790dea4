/* `fairlead version`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "common.h"

int fl_cli_version(int argc, char **argv)
{
	if (argc == 1) {
		printf("fairlead %s, plugin ABI %u.%u\n", FL_VERSION, FL_ABI_MAJOR, FL_ABI_MINOR);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--include") == 0) {
		char *dir = fl_cli_include();
		puts(dir);
		free(dir);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		puts("fairlead version             prints the version, and that of the plugin ABI\n"
		     "fairlead version --include   prints the directory of fairlead.h, for cc -I");
		return 0;
	}
	return fl_cli_misused("version", "it takes --include or nothing");
}
