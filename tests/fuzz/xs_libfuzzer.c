// SPDX-License-Identifier: BSD-2-Clause
// The same targets for libFuzzer, which looks for new paths: XS_FUZZ names the target.
#include <stdio.h>
#include <stdlib.h>

#include "xs_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

/* With XS_FUZZ_SEED=FILE: write an input to start from there, and end. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint8_t in[FUZZ_INPUT_MAX];
	const char *file = getenv("XS_FUZZ_SEED"), *target = getenv("XS_FUZZ");
	size_t len;
	FILE *f;

	if (!file)
		return 0;
	len = xs_fuzz_seed(target ? target : "wire", in, sizeof(in));
	f = fopen(file, "w");
	exit(!f || fwrite(in, 1, len, f) != len || fclose(f));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	const char *target = getenv("XS_FUZZ");

	xs_fuzz(target ? target : "wire", in, len);
	return 0;
}
