/* no_symbol */
extern int nothing_of_fairlead;
int nothing_of_fairlead = 1;
