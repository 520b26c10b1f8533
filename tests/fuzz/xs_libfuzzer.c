// SPDX-License-Identifier: BSD-2-Clause
// The same targets for libFuzzer, which looks for new paths: XS_FUZZ names the target.
#include <stdlib.h>

#include "xs_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	const char *target = getenv("XS_FUZZ");

	xs_fuzz(target ? target : "wire", in, len);
	return 0;
}
