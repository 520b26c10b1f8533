// SPDX-License-Identifier: BSD-2-Clause
// Rates of a disk and of a network connection in wall time: rows of the benchmark table.
/*
 *   iobench disk DEVICE      sequential 128 KiB and random 4 KiB requests, past the page cache; overwrites the device
 *   iobench listen           serve two connections, one that sends and one that receives, then end
 *   iobench net ADDRESS      connect twice to such a one, send, then receive
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT	 5001
#define SECONDS	 3.0
#define SEQ_SIZE (128 << 10)
#define RND_SIZE 4096
#define QD	 16

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- disk */
struct load {
	int fd, write, random;
	size_t size;
	uint64_t blocks; /* of this size on the device */
	unsigned int seed;
	double until;
	unsigned long done;
};

static void *run_load(void *arg)
{
	struct load *l = arg;
	void *buf;

	if (posix_memalign(&buf, 4096, l->size))
		die("memory");
	memset(buf, 0x5a, l->size);
	for (uint64_t i = 0; now() < l->until; i++) {
		uint64_t block = l->random ? (uint64_t)rand_r(&l->seed) : i;
		off_t at = (off_t)(block % l->blocks * l->size);
		ssize_t n = l->write ? pwrite(l->fd, buf, l->size, at)
				     : pread(l->fd, buf, l->size, at);

		if (n != (ssize_t)l->size)
			die("disk");
		l->done++;
	}
	free(buf);
	return NULL;
}

/* Requests per second of `depth` threads. */
static double disk_rate(int fd, uint64_t bytes, size_t size, int write, int random, int depth)
{
	struct load l[QD];
	pthread_t t[QD];
	unsigned long done = 0;
	double start = now();

	for (int i = 0; i < depth; i++) {
		l[i] = (struct load){
			fd, write, random, size, bytes / size, (unsigned int)i + 1, start + SECONDS,
			0
		};
		if (pthread_create(&t[i], NULL, run_load, &l[i]))
			die("pthread_create");
	}
	for (int i = 0; i < depth; i++) {
		pthread_join(t[i], NULL);
		done += l[i].done;
	}
	return (double)done / (now() - start);
}

static int disk(const char *device)
{
	int fd = open(device, O_RDWR | O_DIRECT);
	off_t bytes = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	const double mb = SEQ_SIZE / 1e6;

	if (bytes < SEQ_SIZE)
		die(device);
	printf("ROW disk_seq_read:MB/s %.1f\n",
	       mb * disk_rate(fd, (uint64_t)bytes, SEQ_SIZE, 0, 0, 1));
	printf("ROW disk_seq_write:MB/s %.1f\n",
	       mb * disk_rate(fd, (uint64_t)bytes, SEQ_SIZE, 1, 0, 1));
	printf("ROW disk_4k_read_qd1:IOPS %.0f\n",
	       disk_rate(fd, (uint64_t)bytes, RND_SIZE, 0, 1, 1));
	printf("ROW disk_4k_read_qd16:IOPS %.0f\n",
	       disk_rate(fd, (uint64_t)bytes, RND_SIZE, 0, 1, QD));
	printf("ROW disk_4k_write_qd16:IOPS %.0f\n",
	       disk_rate(fd, (uint64_t)bytes, RND_SIZE, 1, 1, QD));
	close(fd);
	return 0;
}

/* ---- network. The one that sends stops after SECONDS; the one that receives measures. */
static char buf[256 << 10];

static void stream_out(int fd)
{
	double until = now() + SECONDS;

	while (now() < until && send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
		;
	shutdown(fd, SHUT_WR);
}

static double stream_in(int fd)
{
	double start = now();
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		bytes += (uint64_t)n;
	return (double)bytes * 8 / 1e6 / (now() - start);
}

static int listener(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0), fd;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 2))
		die("listen");
	fd = accept(s, NULL, NULL);
	double rate = stream_in(fd);

	/* The other side prints what we received. */
	if (write(fd, &rate, sizeof(rate)) != sizeof(rate))
		die("write");
	close(fd);
	fd = accept(s, NULL, NULL);
	stream_out(fd);
	recv(fd, buf, 1, 0);
	close(fd);
	return 0;
}

static int connected(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		die(address);
	for (int tries = 0; tries < 600; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		close(fd);
		usleep(100000);
	}
	die(address);
	return -1;
}

static int client(const char *address)
{
	int fd = connected(address);
	double rate = 0;

	stream_out(fd);
	if (recv(fd, &rate, sizeof(rate), MSG_WAITALL) != sizeof(rate))
		die("answer");
	printf("ROW net_dom0_to_guest:Mbit/s %.1f\n", rate);
	close(fd);
	fd = connected(address);
	printf("ROW net_guest_to_dom0:Mbit/s %.1f\n", stream_in(fd));
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "disk"))
		return disk(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "listen"))
		return listener();
	if (argc == 3 && !strcmp(argv[1], "net"))
		return client(argv[2]);
	fprintf(stderr, "usage: iobench disk DEVICE | listen | net ADDRESS\n");
	return 2;
}
