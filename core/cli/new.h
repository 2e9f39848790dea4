/* The texts of the files that `fairlead new` makes. @ stands for the name. */
#ifndef FL_CLI_NEW_H
#define FL_CLI_NEW_H

struct fl_new_file {
	const char *path; /* below the new directory */
	const char *text;
};
extern const struct fl_new_file fl_new_plugin[], fl_new_script[]; /* path NULL ends them */

#endif
