// SPDX-License-Identifier: BSD-2-Clause
// The smallest program, for the exec rows.

int main(void)
{
	return 0;
}
