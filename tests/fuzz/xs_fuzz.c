// SPDX-License-Identifier: BSD-2-Clause
// xs_fuzz TARGET SECONDS [SEED] [FILE...]: run random and mutated inputs, without feedback: what every check can afford.
//
// Files are inputs to run first and to mutate; an input that fails is left in xs_fuzz.crash.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xs_fuzz.h"

#define CORPUS_MAX 512

static uint8_t input[FUZZ_INPUT_MAX];
static size_t input_len;
static uint64_t seed_state;

static uint32_t rnd(uint32_t below)
{
	seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed_state >> 33) % below;
}

static void save_crash(int sig)
{
	int fd = open("xs_fuzz.crash", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0 && write(fd, input, input_len) < 0)
		sig = SIGABRT;
	signal(sig, SIG_DFL);
	raise(sig);
}

static const char *const words[] = { "/local/domain/1",
				     "/a/b",
				     "@releaseDomain",
				     "/local/domain/1/x",
				     "x",
				     "n1",
				     "r2",
				     "token",
				     "T",
				     "0",
				     "quota",
				     "5" };

static void mutate(void)
{
	uint32_t n = 1 + rnd(8), at, len;
	const char *w;

	while (n--) {
		at = input_len ? rnd((uint32_t)input_len) : 0;
		switch (rnd(6)) {
		case 0:
			input[at] = (uint8_t)rnd(256);
			break;
		case 1:
			input[at] ^= (uint8_t)(1u << rnd(8));
			break;
		case 2: /* a word with its NUL */
			w = words[rnd(sizeof(words) / sizeof(words[0]))];
			len = (uint32_t)strlen(w) + 1;
			if (at + len <= FUZZ_INPUT_MAX) {
				memcpy(input + at, w, len);
				input_len = at + len > input_len ? at + len : input_len;
			}
			break;
		case 3: /* a piece again */
			len = rnd(64);
			if (at + 2 * len < input_len)
				memmove(input + at + len, input + at, len);
			break;
		case 4: /* longer by random bytes */
			for (len = rnd(100); len && input_len < FUZZ_INPUT_MAX; len--)
				input[input_len++] = (uint8_t)rnd(256);
			break;
		case 5:
			input_len -= input_len > 40 ? rnd(20) : 0;
			break;
		}
	}
}

int main(int argc, char **argv)
{
	static struct {
		uint8_t d[FUZZ_INPUT_MAX];
		size_t len;
	} corpus[CORPUS_MAX];
	const char *target;
	unsigned int num = 0, i;
	uint64_t runs = 0, seed;
	time_t end;

	if (argc < 3) {
		fprintf(stderr,
			"usage: xs_fuzz wire|journal|state|ring SECONDS [SEED] [FILE...]\n");
		return 2;
	}
	target = argv[1];
	seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL);
	seed_state = seed;
	signal(SIGABRT, save_crash);
	for (i = 4; i < (unsigned int)argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		ssize_t n = fd >= 0 ? read(fd, input, sizeof(input)) : -1;

		input_len = n > 0 ? (size_t)n : 0;
		xs_fuzz(target, input, input_len);
		if (fd >= 0)
			close(fd);
		if (num < CORPUS_MAX - 1) {
			memcpy(corpus[num].d, input, input_len);
			corpus[num++].len = input_len;
		}
	}
	end = time(NULL) + strtol(argv[2], NULL, 10);
	input_len = xs_fuzz_seed(target, input, sizeof(input));
	memcpy(corpus[num].d, input, input_len);
	corpus[num++].len = input_len;
	while (time(NULL) < end) {
		i = rnd(num);
		memcpy(input, corpus[i].d, corpus[i].len);
		input_len = corpus[i].len;
		mutate();
		xs_fuzz(target, input, input_len);
		runs++;
		/* Without coverage feedback the corpus simply drifts. */
		if (rnd(20) == 0) {
			i = num < CORPUS_MAX ? num++ : rnd(CORPUS_MAX);
			memcpy(corpus[i].d, input, input_len);
			corpus[i].len = input_len;
		}
	}
	printf("PASS xenstore-fuzz-%s (%llu inputs, seed %llu)\n", argv[1],
	       (unsigned long long)runs, (unsigned long long)seed);
	return 0;
}
