/* SPDX-License-Identifier: BSD-2-Clause */
/* What the main() of every unit test does: runs a suite, reads a seed. */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs s and frees it. CK_VERBOSITY and CK_RUN_CASE hold as check documents them. Result: main's exit status. */
static inline int unit_run(Suite *s)
{
	SRunner *run = srunner_create(s);
	int failed;

	srunner_run_all(run, CK_ENV);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The seed of a randomised test: the program's first argument, else fallback. It is printed, to be repeated. */
static inline unsigned int unit_seed(int argc, char **argv, unsigned int fallback)
{
	unsigned int seed = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 0) : fallback;

	printf("seed %u\n", seed);
	return seed;
}

#endif /* UNIT_H */
