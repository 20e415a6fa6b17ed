import HopyardSimulator

/// The files under `/proc/sys/net` that change nothing in the modelled kernel but can be read, and
/// written as the kernel lets them be written.
enum InertSettings {
  private struct Entry {
    var value: String
    var isReadOnly: Bool
  }

  private static let entries = parse(table)

  private static func parse(_ table: String) -> [String: Entry] {
    var entries: [String: Entry] = [:]
    for line in table.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard let first = words.first else { continue }
      let isReadOnly = first.hasPrefix("!")
      entries[isReadOnly ? String(first.dropFirst()) : first] = Entry(
        value: words.dropFirst().joined(separator: "\t"),
        isReadOnly: isReadOnly
      )
    }
    return entries
  }

  /// The names in a directory right below `/proc/sys/net`.
  static func names(in family: String) -> [String] {
    entries.keys.filter { $0.hasPrefix(family + "/") }
      .map { String($0.dropFirst(family.count + 1).prefix { $0 != "/" }) }
  }

  /// The file of a path below `/proc/sys/net`.
  static func setting(_ path: String, _ namespace: NetworkNamespace) -> SystemSetting? {
    guard let entry = entries[path] else { return nil }
    let key = "net/" + path
    let read = { namespace.inertSettings[key] ?? entry.value }
    if entry.isReadOnly { return SystemSetting(read: read) }
    let defaults = entry.value.split(separator: "\t")
    guard !defaults.isEmpty, defaults.allSatisfy({ Int64($0) != nil }) else {
      return SystemSetting(read: read) { text throws(Errno) in
        let value = String(text.prefix { $0 != "\n" })
        namespace.inertSettings[key] = value
      }
    }
    return SystemSetting(read: read) { text throws(Errno) in
      let numbers = try SystemSetting.integers(text)
      let limit =
        defaults.contains { (Int64($0) ?? 0) > Int64(Int32.max) } ? 4_294_967_295 : Int64(Int32.max)
      guard numbers.allSatisfy({ $0 <= limit && $0 >= Int64(Int32.min) }) else {
        throw .invalidArgument
      }
      var values = read().split(separator: "\t").map(String.init)
      for (index, number) in numbers.enumerated() where index < values.count {
        values[index] = String(number)
      }
      namespace.inertSettings[key] = values.joined(separator: "\t")
    }
  }

  /// Path, then the value in a new namespace; `!` before what nobody may write.
  private static let table = """
    bridge/bridge-nf-call-arptables 1
    bridge/bridge-nf-call-ip6tables 1
    bridge/bridge-nf-call-iptables 1
    bridge/bridge-nf-filter-pppoe-tagged 0
    bridge/bridge-nf-filter-vlan-tagged 0
    bridge/bridge-nf-pass-vlan-input-dev 0
    core/optmem_max 131072
    !core/rmem_default 212992
    !core/rmem_max 4194304
    core/rps_default_mask 0
    core/somaxconn 4096
    core/tstamp_allow_data 1
    core/txrehash 1
    !core/wmem_default 212992
    !core/wmem_max 4194304
    core/xfrm_acq_expires 30
    core/xfrm_aevent_etime 10
    core/xfrm_aevent_rseqth 2
    core/xfrm_larval_drop 1
    ipv4/fib_multipath_hash_fields 7
    ipv4/fib_multipath_hash_seed 0
    ipv4/fib_notify_on_flag_change 0
    ipv4/icmp_echo_enable_probe 0
    ipv4/igmp_max_msf 10
    ipv4/igmp_qrv 2
    ipv4/ip_autobind_reuse 0
    ipv4/ip_dynaddr 0
    ipv4/ip_early_demux 1
    ipv4/ip_forward_update_priority 1
    ipv4/ipfrag_max_dist 64
    ipv4/nexthop_compat_mode 1
    ipv4/raw_l3mdev_accept 1
    ipv4/route/min_adv_mss 256
    ipv4/tcp_adv_win_scale 1
    ipv4/tcp_app_win 31
    ipv4/tcp_autocorking 1
    ipv4/tcp_backlog_ack_defer 1
    ipv4/tcp_base_mss 1024
    ipv4/tcp_child_ehash_entries 0
    ipv4/tcp_comp_sack_slack_ns 100000
    ipv4/tcp_early_demux 1
    ipv4/tcp_ecn_option 2
    ipv4/tcp_ecn_option_beacon 3
    !ipv4/tcp_ehash_entries -262144
    ipv4/tcp_fack 0
    ipv4/tcp_fastopen 1
    ipv4/tcp_fastopen_blackhole_timeout_sec 0
    ipv4/tcp_fastopen_key 00000000-00000000-00000000-00000000
    ipv4/tcp_l3mdev_accept 0
    ipv4/tcp_limit_output_bytes 4194304
    ipv4/tcp_migrate_req 0
    ipv4/tcp_min_rtt_wlen 300
    ipv4/tcp_mtu_probe_floor 48
    ipv4/tcp_no_metrics_save 0
    ipv4/tcp_no_ssthresh_metrics_save 1
    ipv4/tcp_plb_cong_thresh 128
    ipv4/tcp_plb_idle_rehash_rounds 3
    ipv4/tcp_plb_rehash_rounds 12
    ipv4/tcp_plb_suspend_rto_sec 60
    ipv4/tcp_probe_interval 600
    ipv4/tcp_probe_threshold 8
    ipv4/tcp_retrans_collapse 1
    ipv4/tcp_stdurg 0
    ipv4/tcp_tso_rtt_log 9
    ipv4/udp_child_hash_entries 0
    ipv4/udp_early_demux 1
    !ipv4/udp_hash_entries -16384
    ipv4/udp_l3mdev_accept 0
    ipv4/udp_rmem_min 4096
    ipv4/udp_wmem_min 4096
    ipv4/xfrm4_gc_thresh 32768
    ipv6/anycast_src_echo_reply 0
    ipv6/auto_flowlabels 1
    ipv6/bindv6only 0
    ipv6/fib_multipath_hash_fields 7
    ipv6/fib_multipath_hash_policy 0
    ipv6/fib_notify_on_flag_change 0
    ipv6/flowlabel_consistency 1
    ipv6/flowlabel_reflect 0
    ipv6/flowlabel_state_ranges 0
    ipv6/fwmark_reflect 0
    ipv6/icmp/echo_ignore_all 0
    ipv6/icmp/echo_ignore_anycast 0
    ipv6/icmp/echo_ignore_multicast 0
    ipv6/icmp/error_anycast_as_unicast 0
    ipv6/icmp/ratelimit 100
    ipv6/icmp/ratemask 0-1,3-127
    ipv6/idgen_delay 1
    ipv6/idgen_retries 3
    ipv6/ioam6_id 16777215
    ipv6/ioam6_id_wide 72057594037927935
    ipv6/ip6frag_high_thresh 4194304
    ipv6/ip6frag_low_thresh 3145728
    ipv6/ip6frag_time 60
    ipv6/ip_nonlocal_bind 0
    ipv6/max_dst_opts_length 2147483647
    ipv6/max_dst_opts_number 8
    ipv6/max_hbh_length 2147483647
    ipv6/max_hbh_opts_number 8
    ipv6/route/flush 
    ipv6/route/gc_elasticity 9
    ipv6/route/gc_interval 30
    ipv6/route/gc_min_interval 0
    ipv6/route/gc_min_interval_ms 500
    ipv6/route/gc_thresh 1024
    ipv6/route/gc_timeout 60
    ipv6/route/max_size 2147483647
    ipv6/route/min_adv_mss 1220
    ipv6/route/mtu_expires 600
    ipv6/route/skip_notify_on_dev_down 0
    ipv6/seg6_flowlabel 0
    ipv6/xfrm6_gc_thresh 32768
    netfilter/nf_conntrack_acct 0
    !netfilter/nf_conntrack_buckets 262144
    netfilter/nf_conntrack_checksum 1
    !netfilter/nf_conntrack_count 0
    netfilter/nf_conntrack_events 2
    !netfilter/nf_conntrack_expect_max 4096
    netfilter/nf_conntrack_frag6_high_thresh 4194304
    netfilter/nf_conntrack_frag6_low_thresh 3145728
    netfilter/nf_conntrack_frag6_timeout 60
    netfilter/nf_conntrack_generic_timeout 600
    netfilter/nf_conntrack_gre_timeout 30
    netfilter/nf_conntrack_gre_timeout_stream 180
    netfilter/nf_conntrack_icmp_timeout 30
    netfilter/nf_conntrack_icmpv6_timeout 30
    netfilter/nf_conntrack_log_invalid 0
    !netfilter/nf_conntrack_max 262144
    netfilter/nf_conntrack_sctp_timeout_closed 10
    netfilter/nf_conntrack_sctp_timeout_cookie_echoed 3
    netfilter/nf_conntrack_sctp_timeout_cookie_wait 3
    netfilter/nf_conntrack_sctp_timeout_established 210
    netfilter/nf_conntrack_sctp_timeout_heartbeat_sent 30
    netfilter/nf_conntrack_sctp_timeout_shutdown_ack_sent 3
    netfilter/nf_conntrack_sctp_timeout_shutdown_recd 3
    netfilter/nf_conntrack_sctp_timeout_shutdown_sent 3
    netfilter/nf_conntrack_tcp_be_liberal 0
    netfilter/nf_conntrack_tcp_ignore_invalid_rst 0
    netfilter/nf_conntrack_tcp_loose 1
    netfilter/nf_conntrack_tcp_max_retrans 3
    netfilter/nf_conntrack_tcp_timeout_close 10
    netfilter/nf_conntrack_tcp_timeout_close_wait 60
    netfilter/nf_conntrack_tcp_timeout_established 432000
    netfilter/nf_conntrack_tcp_timeout_fin_wait 120
    netfilter/nf_conntrack_tcp_timeout_last_ack 30
    netfilter/nf_conntrack_tcp_timeout_max_retrans 300
    netfilter/nf_conntrack_tcp_timeout_syn_recv 60
    netfilter/nf_conntrack_tcp_timeout_syn_sent 120
    netfilter/nf_conntrack_tcp_timeout_time_wait 120
    netfilter/nf_conntrack_tcp_timeout_unacknowledged 300
    netfilter/nf_conntrack_timestamp 0
    netfilter/nf_conntrack_udp_timeout 30
    netfilter/nf_conntrack_udp_timeout_stream 120
    netfilter/nf_hooks_lwtunnel 0
    unix/max_dgram_qlen 10
    """
}
