/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Counts the TCP sockets of network namespaces where they are, and describes those that are looked at one by one.
 *
 * Two programs, which are attached to nothing: BPF_PROG_TEST_RUN calls them, under rcu_read_lock().
 *
 *   list_namespaces   fills the map namespaces;
 *   walk_table        walks some buckets of one of the kernel's tables of sockets, until its time is over.
 *
 * They take no lock and no reference, and write nothing but their maps. Whatever they load can have gone meanwhile: a
 * load that misses gives 0, and a socket that has moved to another chain takes the walk along, which is noticed at the
 * end of the chain. All loops have bounds: STEPS, LONGEST, a time, and the size of the table.
 *
 * Built twice. With TYPED loads are plain instructions (bpf_rdonly_cast, from Linux 6.2 on), otherwise calls of
 * bpf_probe_read_kernel, with which it runs from 5.17 on (bpf_loop).
 */
#include "kernel.h"

/* To be chosen by whoever takes it: Apache-2.0 as all of this project, or what the kernel asks of its programs. */
char LICENSE[] SEC("license") = "GPL";

/* ---- what user space is given; exporter/decode/bpf_records.py knows the same ---- */

enum { EVERYWHERE = 1, PAIRS = 2, PORTS = 4 };	/* what is asked for */
enum { NO_TIMER, RETRANSMISSION, KEEPALIVE, ENDING, ZERO_WINDOW };	/* as idiag_timer */

struct namespace { __u32 inum, time_wait_limit; __u16 low, high; __u32 has_own_table; };
struct service { __u32 inum; __u16 port; __u8 state, is_server; };
struct pair { __u32 inum; __u16 local, remote; };
struct address { __u32 inum, unused; __u64 local[2]; };
struct destination { __u32 inum; __u16 unused; __be16 port; __u64 local[2], remote[2]; };
struct listener { __u32 inum, port; };
struct record {
	/* What stays the same, byte for byte, as long as nothing happens to the socket: */
	__u32 inum;
	__u8 state, is_mptcp, timer, tries;
	__u16 local_port, remote_port, family, unused;
	__u32 sequence, received, sent, inode;
	__u64 local[2], remote[2];
	/* and what does not, or is asked for only once: */
	__u64 cgroup;
	__u32 acknowledged, last_sent, last_received;	/* in jiffies; 0 is never */
	__u32 is_v6only;
};

/* A table of counts: a row for each key that has been met. The keys stay from one sample to the next, user space sets
 * the counts to 0, and takes all keys away when there are too many that nobody has. */
#define TABLE(name, key_type, rows) \
	struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, rows); \
		 __type(key, key_type); __type(value, __u32); } name##_index SEC(".maps"); \
	struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, rows); __uint(map_flags, BPF_F_MMAPABLE); \
		 __type(key, __u32); __type(value, key_type); } name##_keys SEC(".maps"); \
	struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, rows); __uint(map_flags, BPF_F_MMAPABLE); \
		 __type(key, __u32); __type(value, __u64); } name##_counts SEC(".maps")

#define SERVICES 16384
#define SPARE 1024		/* of these, for what all ports are counted under that have no row */
#define DESTINATIONS 16384
#define FIRST_COME 8192		/* of these; the others are kept for those that have more sockets */
#define PAIRS_MOST 16384
#define OWN_PAIRS 8192		/* of these, our own namespace may have so many, */
#define OTHERS_PAIRS 1024	/* and each of the others */
#define ADDRESSES 1024
#define BITMAPS 64
TABLE(service, struct service, SERVICES);
TABLE(target, struct destination, DESTINATIONS);
TABLE(pair, struct pair, PAIRS_MOST);
TABLE(address, struct address, ADDRESSES);

#define MMAPABLE(name, value_type, rows) \
	struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, rows); __uint(map_flags, BPF_F_MMAPABLE); \
		 __type(key, __u32); __type(value, value_type); } name SEC(".maps")

struct bitmap { __u64 words[1024]; };	/* a bit for each port */
MMAPABLE(bitmaps, struct bitmap, BITMAPS);
MMAPABLE(bitmap_of, __u32, ADDRESSES);	/* by row of the address; 0 is none, the others are one more than the place */
MMAPABLE(served, struct bitmap, 1);	/* ports that are a service's in any namespace: a look here spares one there */
#define SKETCH 65536
struct sketch { __u32 sockets[SKETCH]; };
MMAPABLE(sketch, struct sketch, 1);	/* of destinations without a row, by hash */
#define OFTEN 16		/* sockets by which one of these gets a row */
#define RECORDS 2048
MMAPABLE(records, struct record, RECORDS);
#define NAMESPACES 4096
MMAPABLE(namespaces, struct namespace, NAMESPACES);
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16384); __type(key, struct listener); __type(value, __u8); } listeners SEC(".maps");

#define WHOLE 128	/* a chain of so many sockets is walked to its end; a longer one may be left, and gone on with */
#define LONGEST 4096	/* what stands behind that is given up: anybody can make a table of one bucket, and this takes some 100 µs to skip */
#define STEPS (1 << 18)
#define NONE (~0U)

/*
 * All that a run knows. It is a global, and no local: the verifier takes a global for unknown, whereas it would follow
 * what it knows of a local through every round of a loop.
 */
struct walk {
	/* told: what has been met in this run, and where to go on; rows in use, since they were last taken away */
	__u64 now, jiffies, nanoseconds, sockets, strays, lost;
	__u32 records, skip, namespaces, knows_timers;
	__u32 services, targets, pairs, addresses, bitmaps, unused;
	/* of this run only */
	__u64 table, bucket, buckets, stride, node, passed, here, deadline, only, at, ring, ops, sought, found;
	__u64 plain[2];		/* struct proto that have no MPTCP, for IPv4 and IPv6 */
	struct address address;	/* the last one that was met, and its row */
	__u32 address_row, options, is_late, own;
} walk;

/* ---- loads ---- */

#if TYPED
extern void *bpf_rdonly_cast(const void *at, __u32 type) __ksym;
#define CAST(type, at) ((struct type *)bpf_rdonly_cast((void *)(at), bpf_core_type_id_kernel(struct type)))
#define GET(type, at, field) (CAST(type, at)->field)
#else
#define GET(type, at, field) BPF_CORE_READ((struct type *)(at), field)
#endif
#define PLACE(type, at, field) ((__u64)(at) + bpf_core_field_offset(struct type, field))

static __always_inline __u64 word(__u64 at)
{
#if TYPED
	return CAST(bpf_perf_event_value, at)->counter;	/* any structure that begins with 64 bits */
#else
	__u64 found = 0;

	bpf_probe_read_kernel(&found, sizeof(found), (void *)at);
	return found;
#endif
}

/*
 * Fields that are not in every kernel. Each is read in a function of its own, that is called behind HAS: what the
 * kernel cannot relocate must be nowhere but in code that it finds to be dead, and the compiler moves constants about.
 */
#define ABSENT_IN_SOME(name, value) \
	static __noinline __u64 name(__u64 at) { return value; }
ABSENT_IN_SOME(death_row_apart, (__u64)BPF_CORE_READ((struct net___apart *)at, ipv4.tcp_death_row))
ABSENT_IN_SOME(two_ports, word(at + bpf_core_field_offset(struct net___two, ipv4.ip_local_ports.range)))
ABSENT_IN_SOME(one_word_of_ports, GET(net, at, ipv4.ip_local_ports.range))
ABSENT_IN_SOME(pernet, GET(inet_hashinfo, at, pernet))
ABSENT_IN_SOME(by_port, at + bpf_core_field_offset(struct inet_hashinfo___by_port, listening_hash))
ABSENT_IN_SOME(by_address, (__u64)GET(inet_hashinfo, at, lhash2))
ABSENT_IN_SOME(inode_of_socket, GET(sock, at, sk_ino))
ABSENT_IN_SOME(cgroup_of_socket, (__u64)GET(sock, at, sk_cgrp_data.cgroup))
ABSENT_IN_SOME(keepalive_timer, PLACE(inet_connection_sock, at, icsk_keepalive_timer))
ABSENT_IN_SOME(socket_timer, PLACE(sock, at, sk_timer))
ABSENT_IN_SOME(ipv6_local, PLACE(sock_common, at, skc_v6_rcv_saddr))
ABSENT_IN_SOME(ipv6_remote, PLACE(sock_common, at, skc_v6_daddr))
ABSENT_IN_SOME(is_mptcp, GET(tcp_sock, at, is_mptcp))
ABSENT_IN_SOME(connection_of_subflow, (__u64)GET(mptcp_subflow_context, at, conn))
ABSENT_IN_SOME(mptcp_token, GET(mptcp_sock, at, token))

/* ---- namespaces ---- */

static __always_inline __u64 own_namespace(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return (__u64)task->nsproxy->net_ns;
}

static __always_inline __u64 death_row(__u64 net)
{
	if (HAS(net___apart, ipv4.tcp_death_row))
		return death_row_apart(net);
	return PLACE(net, net, ipv4.tcp_death_row);
}

static __always_inline __u64 hashinfo(__u64 net)
{
	return word(PLACE(inet_timewait_death_row, death_row(net), hashinfo));
}

static __always_inline bool has_own_table(__u64 hashes)
{
	return HAS(inet_hashinfo, pernet) && pernet(hashes);
}

/* The ports that the kernel chooses from, both ends included. */
static __always_inline void ephemeral(__u64 net, __u32 *low, __u32 *high)
{
	if (HAS(net___two, ipv4.ip_local_ports.range[1])) {
		__u64 both = two_ports(net);

		*low = both;
		*high = both >> 32;
	} else {
		__u32 both = one_word_of_ports(net);

		*low = both & 0xffff;
		*high = both >> 16;
	}
}

static __always_inline void tell_namespace(__u64 net, __u32 inum)
{
	__u32 at = walk.namespaces, low, high;
	struct namespace *told = bpf_map_lookup_elem(&namespaces, &at);

	if (!told)
		return;
	ephemeral(net, &low, &high);
	told->inum = inum;
	told->low = low;
	told->high = high;
	told->time_wait_limit = GET(inet_timewait_death_row, death_row(net), sysctl_max_tw_buckets);
	told->has_own_table = has_own_table(hashinfo(net));
	walk.namespaces = at + 1;
}

/* They stand in a ring, whose head is in no namespace; it is known by that. */
static long next_namespace(__u32 round, void *unused)
{
	__u64 net = walk.at;

	if (word(PLACE(net, net, ns.ops)) == walk.ops) {
		__u32 inum = GET(net, net, ns.inum);

		if (!walk.sought)
			tell_namespace(net, inum);
		else if (walk.sought == inum) {
			walk.found = net;
			return 1;
		}
	}
	__u64 next = word(PLACE(net, net, list));

	walk.at = next - bpf_core_field_offset(struct net, list);
	return !next || walk.at == walk.ring;
}

/* That with the number, or 0 if there is none; all of them are told if the number is 0. */
static __always_inline __u64 find_namespace(__u32 inum)
{
	walk.namespaces = 0;
	walk.found = 0;
	walk.sought = inum;
	walk.at = walk.ring = own_namespace();
	walk.ops = word(PLACE(net, walk.at, ns.ops));
	bpf_loop(1 << 16, next_namespace, 0, 0);
	__u64 found = walk.found;

	/* User space can read all this, and is not to know where things are in the kernel's memory. */
	walk.at = walk.ring = walk.ops = walk.found = 0;
	return found;
}

SEC("raw_tp/sys_enter")
int list_namespaces(__u64 *ctx)
{
	/* Which timer is the keepalive timer is known of two layouts. */
	walk.knows_timers = HAS(inet_connection_sock, icsk_keepalive_timer) ||
			    (HAS(sock, sk_timer) && !HAS(sock, tcp_retransmit_timer));
	find_namespace(0);
	return 0;
}

/* ---- rows ---- */

/* Inlined, since each table has types of its own. The count of the key, and its row; 0 if it has none. */
static __always_inline __u64 *find(void *index, void *counts, const void *key, __u32 *place)
{
	__u32 *known = bpf_map_lookup_elem(index, key);

	if (!known)
		return 0;
	*place = *known;
	return bpf_map_lookup_elem(counts, place);
}

/* The same of a key that has no row yet; 0 if so many are used already. */
static __always_inline __u64 *add(void *index, void *keys, void *counts, const void *key, __u32 size, __u32 *used, __u32 most, __u32 *place)
{
	__u32 at = *used;
	void *new = at < most ? bpf_map_lookup_elem(keys, &at) : 0;

	if (!new || bpf_map_update_elem(index, key, &at, BPF_NOEXIST))
		return 0;
	__builtin_memcpy(new, key, size);
	*used = at + 1;
	*place = at;
	return bpf_map_lookup_elem(counts, place);
}
#define FIND(name, key, place) find(&name##_index, &name##_counts, key, place)
#define ADD(name, key, most, place) \
	add(&name##_index, &name##_keys, &name##_counts, key, sizeof(*(key)), &walk.ROWS_##name, most, place)
#define FIND_OR_ADD(name, key, most, place) (FIND(name, key, place) ?: ADD(name, key, most, place))
#define ROWS_service services
#define ROWS_target targets
#define ROWS_pair pairs
#define ROWS_address addresses

static __noinline int count_service(struct service *service)
{
	__u32 place;
	__u64 *count = FIND_OR_ADD(service, service, SERVICES - SPARE, &place);

	if (!count) {
		service->port = 0;
		count = FIND_OR_ADD(service, service, SERVICES, &place);
	}
	if (count)
		++*count;
	else
		walk.lost++;
	return 0;
}

/* The pair of a namespace without ports counts how many others the namespace has, also those for which there is no room. */
static __noinline int count_pair(__u32 inum, __u32 local, __u32 remote)
{
	struct pair all = {.inum = inum}, pair = {.inum = inum, .local = local, .remote = remote};
	__u32 place, most = inum == walk.own ? OWN_PAIRS : OTHERS_PAIRS;
	__u64 *count = FIND(pair, &pair, &place);

	if (!count) {
		__u64 *pairs = FIND_OR_ADD(pair, &all, PAIRS_MOST, &place);

		if (!pairs)
			return 0;
		if (++*pairs <= most)
			count = ADD(pair, &pair, PAIRS_MOST, &place);
		if (!count)
			*pairs = most + 1;
	}
	if (count)
		++*count;
	return 0;
}

static __always_inline void addresses(__u64 sk, __u64 local[2], __u64 remote[2])
{
	if (GET(sock_common, sk, skc_family) == AF_INET) {
		local[0] = GET(sock_common, sk, skc_rcv_saddr);
		remote[0] = GET(sock_common, sk, skc_daddr);
	} else if (HAS(sock_common, skc_v6_daddr)) {
		__u64 here = ipv6_local(sk), there = ipv6_remote(sk);

		local[0] = word(here);
		local[1] = word(here + 8);
		remote[0] = word(there);
		remote[1] = word(there + 8);
	}
}

/* The row of a local address: on most hosts it is the same for socket after socket. */
static __always_inline __u32 row_of_address(__u32 inum, const __u64 local[2])
{
	struct address *last = &walk.address;
	__u32 place;

	if (last->inum == inum && last->local[0] == local[0] && last->local[1] == local[1])
		return walk.address_row;
	struct address address = {.inum = inum, .local = {local[0], local[1]}};
	__u32 known = walk.addresses;
	__u64 *count = FIND_OR_ADD(address, &address, ADDRESSES, &place);

	if (!count)
		return NONE;
	if (walk.addresses > known && walk.bitmaps < BITMAPS) {
		__u32 *bitmap = bpf_map_lookup_elem(&bitmap_of, &place);

		if (bitmap)
			*bitmap = ++walk.bitmaps;
	}
	*last = address;
	walk.address_row = place;
	return place;
}

static __always_inline void set_bit(struct bitmap *bitmap, __u32 port)
{
	bitmap->words[port >> 6 & 1023] |= 1ULL << (port & 63);
}

/* Sockets of the address, and the port, if the address has a bitmap. */
static __always_inline void count_port(__u32 inum, const __u64 local[2], __u32 port)
{
	__u32 place = row_of_address(inum, local), *of = bpf_map_lookup_elem(&bitmap_of, &place), at = of ? *of - 1 : NONE;
	__u64 *sockets = bpf_map_lookup_elem(&address_counts, &place);
	struct bitmap *bitmap = bpf_map_lookup_elem(&bitmaps, &at);

	if (sockets)
		++*sockets;
	if (bitmap)
		set_bit(bitmap, port);
}

static __always_inline __u32 hash(const struct destination *of)
{
	__u64 mixed = of->inum ^ (__u64)of->port << 32;

	mixed = (mixed ^ of->local[0]) * 0x9e3779b97f4a7c15;
	mixed = (mixed ^ mixed >> 29 ^ of->local[1]) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ mixed >> 32 ^ of->remote[0]) * 0x94d049bb133111eb;
	mixed = (mixed ^ mixed >> 29 ^ of->remote[1]) * 0x9e3779b97f4a7c15;
	return (mixed ^ mixed >> 32) & (SKETCH - 1);
}

/* There are many: those that share a place of the sketch have so many sockets together; one that has them alone will
 * soon have a row. What it is given as is at most too much, by the others of its place. */
static __always_inline void count_in_sketch(struct destination *of)
{
	__u32 only = 0, place;
	struct sketch *counts = bpf_map_lookup_elem(&sketch, &only);

	if (!counts)
		return;
	__u32 sockets = ++counts->sockets[hash(of)];

	if (sockets < OFTEN)
		return;
	__u64 *count = FIND_OR_ADD(target, of, DESTINATIONS, &place);

	if (count)
		*count = sockets;
}

/* The kernel chose the socket's local port. */
static __noinline int count_dialled(__u64 sk, __u32 inum, __u32 local)
{
	struct destination to = {.inum = inum, .port = GET(sock_common, sk, skc_dport)};
	__u32 place;

	addresses(sk, to.local, to.remote);
	__u64 *count = FIND_OR_ADD(target, &to, FIRST_COME, &place);

	if (count)
		++*count;
	else
		count_in_sketch(&to);
	if (walk.options & PORTS)
		count_port(inum, to.local, local);
	return 0;
}

/* ---- sockets that are told one by one ---- */

static __always_inline bool is_pending(__u64 timer)
{
	return GET(timer_list, timer, entry.pprev) != 0;
}

static __always_inline bool keeps_alive(__u64 sk)
{
	if (HAS(inet_connection_sock, icsk_keepalive_timer))
		return is_pending(keepalive_timer(sk));
	return is_pending(socket_timer(sk));
}

/* As inet_sk_diag_fill in net/ipv4/inet_diag.c. What is pending is one of ICSK_TIME_* (include/net/inet_connection_sock.h). */
static __always_inline void tell_timer(__u64 sk, struct record *told)
{
	__u8 pending = GET(inet_connection_sock, sk, icsk_pending);

	if (pending == 1 || pending == 5 || pending == 6) {
		told->timer = RETRANSMISSION;
		told->tries = GET(inet_connection_sock, sk, icsk_retransmits);
	} else if (pending == 3) {
		told->timer = ZERO_WINDOW;
		told->tries = GET(inet_connection_sock, sk, icsk_probes_out);
	} else if (keeps_alive(sk)) {
		told->timer = KEEPALIVE;
		told->tries = GET(inet_connection_sock, sk, icsk_probes_out);
	}
}

static __always_inline __u32 inode(__u64 sk)
{
	if (HAS(sock, sk_ino))
		return inode_of_socket(sk);
	__u64 socket = (__u64)GET(sock, sk, sk_socket);

	return socket ? GET(socket_alloc, socket, vfs_inode.i_ino) : 0;
}

/* What the first FIN has frozen, in either direction: it stays the same until the socket is gone. */
static __always_inline __u32 frozen(__u64 sk, __u32 state)
{
	if (state == CLOSE_WAIT || state == LAST_ACK)
		return GET(tcp_sock, sk, rcv_nxt);
	if (state == SYN_RECV)
		return GET(tcp_sock, sk, snd_una);
	return GET(tcp_sock, sk, write_seq);
}

static __always_inline void tell_queues(__u64 sk, struct record *told)
{
	__s32 received = GET(tcp_sock, sk, rcv_nxt) - GET(tcp_sock, sk, copied_seq);

	told->received = received > 0 ? received : 0;
	told->sent = GET(tcp_sock, sk, write_seq) - GET(tcp_sock, sk, snd_una);
}

static __always_inline void tell_connected(__u64 sk, struct record *told)
{
	tell_timer(sk, told);
	tell_queues(sk, told);
	told->sequence = frozen(sk, told->state);
	told->acknowledged = GET(tcp_sock, sk, rcv_tstamp);
	told->last_sent = GET(tcp_sock, sk, lsndtime);
	told->last_received = GET(inet_connection_sock, sk, icsk_ack.lrcvtime);
}

static __always_inline void tell_listening(__u64 sk, struct record *told)
{
	told->received = GET(sock, sk, sk_ack_backlog);
	told->sent = GET(sock, sk, sk_max_ack_backlog);
	told->is_v6only = BPF_CORE_READ_BITFIELD_PROBED((struct sock_common *)sk, skc_ipv6only);
}

/* What every socket has that is more than a mini-socket. */
static __always_inline void tell_full(__u64 sk, struct record *told)
{
	told->inode = inode(sk);
	if (HAS(sock, sk_cgrp_data.cgroup)) {
		__u64 cgroup = cgroup_of_socket(sk), node = (__u64)GET(cgroup, cgroup, kn);

		told->cgroup = GET(kernfs_node, node, id);
	}
}

/* What every socket has, at the next place; 0 if there is none. */
static __always_inline struct record *tell_ends(__u64 sk, __u32 inum, __u32 state)
{
	__u32 at = walk.records;
	struct record *told = bpf_map_lookup_elem(&records, &at);

	if (!told)
		return 0;
	walk.records = at + 1;
	__builtin_memset(told, 0, sizeof(*told));
	told->inum = inum;
	told->state = state;
	told->family = GET(sock_common, sk, skc_family);
	told->local_port = GET(sock_common, sk, skc_num);
	told->remote_port = bpf_ntohs(GET(sock_common, sk, skc_dport));
	addresses(sk, told->local, told->remote);
	return told;
}

static __noinline int tell(__u64 sk, __u32 inum, __u32 state, __u32 raw)
{
	struct record *told = tell_ends(sk, inum, state);

	if (!told)
		walk.lost++;
	else if (raw == TIME_WAIT) {
		told->timer = ENDING;
		told->sequence = GET(sock_common, sk, skc_tw_snd_nxt);
	} else if (raw == NEW_SYN_RECV) {
		told->timer = RETRANSMISSION;
		told->tries = GET(request_sock, sk, num_retrans);
		told->sequence = GET(tcp_request_sock, sk, snt_isn);
	} else {
		tell_full(sk, told);
		if (raw == LISTEN)
			tell_listening(sk, told);
		else
			tell_connected(sk, told);
	}
	return 0;
}

/* Subflows have a struct proto of their own, so for all others one comparison is enough. */
static __always_inline bool is_subflow(__u64 sk)
{
	if (!HAS(tcp_sock, is_mptcp))
		return false;
	__u64 proto = (__u64)GET(sock_common, sk, skc_prot), *plain = &walk.plain[GET(sock_common, sk, skc_family) == AF_INET6];

	if (proto == *plain)
		return false;
	if (is_mptcp(sk))
		return true;
	*plain = proto;
	return false;
}

/* An MPTCP connection that is half-closed leaves its subflows as they are. One that has several is told for each. */
static __noinline int tell_connection(__u64 sk, __u32 inum)
{
	__u64 subflow = (__u64)GET(inet_connection_sock, sk, icsk_ulp_data), connection = connection_of_subflow(subflow);
	__u8 state = GET(sock_common, connection, skc_state);

	if (state != FIN_WAIT2 && state != CLOSE_WAIT)
		return 0;
	struct record *told = tell_ends(connection, inum, state);

	if (!told) {
		walk.lost++;
		return 0;
	}
	told->is_mptcp = 1;
	told->received = GET(sock, connection, sk_backlog.rmem_alloc.counter);
	told->sequence = mptcp_token(connection);
	tell_full(connection, told);
	return 0;
}

/* ---- one socket ---- */

/* As exporter/tcp/roles.py decides, for a port that is no service's. */
static __always_inline bool is_server(__u32 local, __u32 remote, bool is_chosen, __u32 low, __u32 high)
{
	bool is_reserved = local >= 512 && local < 1024;

	return !is_chosen && !is_reserved && low <= remote && remote <= high;
}

static __always_inline bool is_service(__u32 inum, __u32 port)
{
	struct listener at = {.inum = inum, .port = port};
	__u32 only = 0;
	struct bitmap *anywhere = bpf_map_lookup_elem(&served, &only);

	return anywhere && anywhere->words[port >> 6 & 1023] >> (port & 63) & 1 && bpf_map_lookup_elem(&listeners, &at);
}

static __always_inline __u32 true_state(__u64 sk, __u32 raw)
{
	if (raw == TIME_WAIT)
		return GET(inet_timewait_sock, sk, tw_substate);	/* or FIN_WAIT2 */
	return raw == NEW_SYN_RECV ? SYN_RECV : raw;
}

static __always_inline void take_listening(__u64 sk, __u32 inum)
{
	struct listener at = {.inum = inum, .port = GET(sock_common, sk, skc_num)};
	__u32 only = 0;
	struct bitmap *anywhere = bpf_map_lookup_elem(&served, &only);
	__u8 is = 1;

	if (anywhere)
		set_bit(anywhere, at.port);
	if (bpf_map_update_elem(&listeners, &at, &is, BPF_ANY))
		walk.lost++;
	tell(sk, inum, LISTEN, LISTEN);
}

#define COUNTED (1 << ESTABLISHED | 1 << TIME_WAIT | 1 << CLOSE)

static __always_inline void take_connected(__u64 sk, __u64 net, __u32 inum, __u32 raw)
{
	__u32 local = GET(sock_common, sk, skc_num), remote = bpf_ntohs(GET(sock_common, sk, skc_dport)), low, high;
	__u32 state = true_state(sk, raw);
	struct service service = {.inum = inum, .port = remote, .state = state};

	ephemeral(net, &low, &high);
	bool is_chosen = low <= local && local <= high;

	if (is_service(inum, local))
		service.is_server = 1;
	else {
		service.is_server = is_server(local, remote, is_chosen, low, high);
		if (is_chosen)
			count_dialled(sk, inum, local);
		if (walk.options & PAIRS)
			count_pair(inum, local, remote);
	}
	if (service.is_server)
		service.port = local;
	if (COUNTED >> (state & 15) & 1)
		count_service(&service);
	else
		tell(sk, inum, state, raw);
	if (raw != TIME_WAIT && raw != NEW_SYN_RECV && is_subflow(sk))
		tell_connection(sk, inum);
}

static __always_inline void take(__u64 sk)
{
	__u64 net = (__u64)GET(sock_common, sk, skc_net.net);
	__u32 raw = GET(sock_common, sk, skc_state);

	if (walk.only && net != walk.only)
		return;
	walk.sockets++;
	if (raw == LISTEN)
		take_listening(sk, GET(net, net, ns.inum));
	else
		take_connected(sk, net, GET(net, net, ns.inum), raw);
}

/* ---- the walk ---- */

#define AHEAD 8
#define ROUND 4		/* times so many buckets are passed in one round, if they are empty */

/* So many buckets, one behind the other; whether all are empty. */
static __always_inline bool look_ahead(__u64 at, __u64 stride, __u64 node[AHEAD])
{
	__u64 all = 1;

#if !TYPED
	if (stride == sizeof(*node))
		bpf_probe_read_kernel(node, AHEAD * sizeof(*node), (void *)at);
	else
#endif
#pragma unroll
	for (int i = 0; i < AHEAD; i++)
		node[i] = word(at + i * stride);
#pragma unroll
	for (int i = 0; i < AHEAD; i++)
		all &= node[i];
	return all & 1;
}

/*
 * Touches what take() will read of the first two sockets of each of these buckets: a walk spends its time waiting for
 * memory, and here many loads wait together. In place of a socket that is not there the first bucket is touched, since
 * what marks the end of a chain is no address.
 */
static __always_inline void touch(__u64 first, __u64 node[AHEAD])
{
#if TYPED
	__u64 back = bpf_core_field_offset(struct sock_common, skc_nulls_node) - bpf_core_field_offset(struct sock_common, skc_net);
#pragma unroll
	for (int round = 0; round < 2; round++)
#pragma unroll
		for (int i = 0; i < AHEAD; i++) {
			__u64 ended = -(node[i] & 1), socket = (node[i] & ~ended) | ((first + back) & ended);
			__u64 touched = word(socket - back);

			asm volatile("" : : "r"(touched));
			node[i] = word(socket) | (ended & 1);
		}
#endif
}

static __noinline int is_all_empty(__u64 first, __u64 stride)
{
	__u64 node[AHEAD];

	if (look_ahead(first, stride, node))
		return 1;
	touch(first, node);
	return 0;
}

/* How many of the buckets to come are empty, as far as they are looked at together: a table is of 2^n buckets. */
static __always_inline __u64 empty_ahead(__u64 at)
{
	__u64 stride = walk.stride, empty = 0;

	if (walk.bucket % AHEAD || walk.skip || walk.buckets < AHEAD)
		return 0;
#pragma unroll
	for (int i = 0; i < ROUND; i++) {
		if (walk.bucket + empty >= walk.buckets || !is_all_empty(at + empty * stride, stride))
			break;
		empty += AHEAD;
	}
	return empty;
}

/* Whether the end of a chain is that of the bucket: those of listening sockets are counted from 1 << 29. */
static __always_inline bool is_own_end(__u64 end, __u64 bucket)
{
	return (end >> 1 & ((1 << 29) - 1)) == bucket;
}

/* The next bucket that is not empty, if that is in the same line of the cache; a round of the loop costs more than it. */
static __always_inline long next_bucket(void)
{
	__u64 stride = walk.stride, at = walk.table + walk.bucket * stride, node = 1;

	if (walk.is_late || walk.bucket >= walk.buckets || walk.records > RECORDS - 2 * WHOLE)
		return 1;
	__u64 empty = empty_ahead(at);

	if (empty) {
		walk.bucket += empty;
		return 0;
	}
#pragma unroll
	for (int i = 0; i < AHEAD; i++, at += stride) {
		node = word(at);
		if (!(node & 1))
			break;
		walk.skip = 0;
		if (!(++walk.bucket % AHEAD) || walk.bucket >= walk.buckets)
			break;
	}
	walk.node = node;
	walk.passed = walk.here = 0;
	return 0;
}

static __always_inline void leave_chain(void)
{
	walk.node = 1;
	walk.bucket++;
	walk.skip = 0;
}

/* A round either comes to a bucket, or to a socket. The time is not looked at in the first rounds: a run has to get on. */
static long step(__u32 round, void *unused)
{
	if (round % 16 == 15 && bpf_ktime_get_ns() > walk.deadline)
		walk.is_late = 1;
	if (walk.node & 1)
		return next_bucket();
	if (walk.here >= WHOLE && (walk.is_late || walk.records > RECORDS - 2))
		return 1;
	__u64 node = walk.node, next = word(node);

	if (!node || !next) {
		walk.strays++;
		leave_chain();
		return 0;
	}
	if (walk.passed >= LONGEST) {
		walk.lost++;
		leave_chain();
		return 0;
	}
	walk.passed++;
	walk.node = next;
	if (walk.skip)
		walk.skip--;
	else {
		walk.here++;
		take(node - bpf_core_field_offset(struct sock_common, skc_nulls_node));
	}
	if (next & 1) {
		if (!is_own_end(next, walk.bucket))
			walk.strays++;
		leave_chain();
	}
	return 0;
}

static __always_inline void find_table(__u64 hashes, bool is_listening)
{
	if (!is_listening) {
		walk.table = (__u64)GET(inet_hashinfo, hashes, ehash);
		walk.stride = bpf_core_type_size(struct inet_ehash_bucket);
		walk.buckets = GET(inet_hashinfo, hashes, ehash_mask) + 1ULL;
		return;
	}
	walk.stride = bpf_core_type_size(struct inet_listen_hashbucket);
	if (HAS(inet_hashinfo___by_port, listening_hash)) {
		walk.table = by_port(hashes);
		walk.buckets = 32;
	} else {
		walk.table = by_address(hashes);
		walk.buckets = GET(inet_hashinfo, hashes, lhash2_mask) + 1ULL;
	}
	walk.table += bpf_core_field_offset(struct inet_listen_hashbucket, nulls_head);
}

static __always_inline void begin(__u64 bucket, __u64 skip, __u64 budget, __u32 options)
{
	walk.sockets = walk.strays = walk.lost = walk.passed = walk.here = 0;
	walk.records = walk.is_late = 0;
	walk.node = 1;
	walk.bucket = bucket;
	walk.skip = skip;
	walk.options = options;
	__u64 own = own_namespace();

	walk.only = options & EVERYWHERE ? 0 : own;
	walk.own = GET(net, own, ns.inum);
	walk.jiffies = bpf_jiffies64();
	walk.now = bpf_ktime_get_ns();
	walk.deadline = walk.now + budget;
}

/* The bucket to go on with, or NONE if all are done; whoever goes on skips as many sockets as are told. */
static __always_inline __u32 end(void)
{
	walk.skip = walk.node & 1 ? 0 : walk.passed;
	walk.table = walk.node = walk.only = walk.plain[0] = walk.plain[1] = 0;
	walk.nanoseconds = bpf_ktime_get_ns() - walk.now;
	return walk.bucket < walk.buckets ? walk.bucket : NONE;
}

/*
 * The context: whether the listening sockets are meant; the bucket to begin with, and how many of its sockets to skip;
 * for how many nanoseconds to walk; what is asked for; and the number of a namespace whose table is meant, or 0 for our own.
 */
SEC("raw_tp/sys_enter")
int walk_table(__u64 *ctx)
{
	__u64 is_listening = ctx[0], bucket = ctx[1], skip = ctx[2], budget = ctx[3], options = ctx[4];
	__u32 inum = ctx[5];

	begin(bucket, skip, budget, options);
	__u64 net = inum ? find_namespace(inum) : own_namespace();

	if (!net)
		return NONE;	/* it has gone, and its table too */
	find_table(hashinfo(net), is_listening);
	bpf_loop(STEPS, step, 0, 0);
	return end();
}

_Static_assert(sizeof(struct namespace) == 16 && sizeof(struct service) == 8 && sizeof(struct pair) == 8, "see exporter/decode/bpf_records.py");
_Static_assert(sizeof(struct address) == 24 && sizeof(struct destination) == 40 && sizeof(struct record) == 88, "see exporter/decode/bpf_records.py");
