import HopyardSimulator

/// `net/ipv6/conf` and `net/ipv6/neigh`: there to be read and written; IPv6 itself is off.
enum IPv6SettingFiles {
  private static let defaults: [(name: String, value: String, isReadOnly: Bool)] =
    table.split(separator: "\n").map { line in
      let words = line.split(separator: " ").map(String.init)
      let isReadOnly = words[0].hasPrefix("!")
      return (
        isReadOnly ? String(words[0].dropFirst()) : words[0],
        words.dropFirst().joined(separator: " "), isReadOnly
      )
    }

  static func node(_ path: [String], _ namespace: NetworkNamespace, _ process: Process)
    throws(Errno) -> SystemSettingNode
  {
    let devices = namespace.devices.all.map(\.name)
    guard path.first == "conf" else {
      if path.count == 1 { return .directory(devices.sorted()) }
      throw .noSuchFile
    }
    guard path.count > 1 else { return .directory((["all", "default"] + devices).sorted()) }
    let place = path[1]
    guard place == "all" || place == "default" || devices.contains(place) else {
      throw .noSuchFile
    }
    guard path.count > 2 else { return .directory(defaults.map(\.name).sorted()) }
    guard path.count == 3, let entry = defaults.first(where: { $0.name == path[2] }) else {
      throw .noSuchFile
    }
    let key = "net/ipv6/conf/\(place)/\(entry.name)"
    let read = {
      if entry.name == "mtu", let device = namespace.devices[place] {
        return String(device.mtu)
      }
      return namespace.inertSettings[key] ?? entry.value
    }
    if entry.isReadOnly { return .setting(SystemSetting(read: read)) }
    if Int64(entry.value) == nil {
      return .setting(
        SystemSetting(
          read: read,
          write: { text throws(Errno) in namespace.inertSettings[key] = text }
        )
      )
    }
    return .setting(
      .integer(
        read: { Int64(read()) ?? 0 },
        write: { value throws(Errno) in
          if entry.name == "disable_ipv6", value == 0 {
            process.refuse("IPv6 is not modelled: disable_ipv6 stays 1")
          }
          namespace.inertSettings[key] = String(value)
        }
      )
    )
  }

  private static let table = """
    accept_dad 1
    accept_ra 1
    accept_ra_defrtr 1
    accept_ra_from_local 0
    accept_ra_min_hop_limit 1
    accept_ra_min_lft 0
    accept_ra_mtu 1
    accept_ra_pinfo 1
    accept_ra_rt_info_max_plen 0
    accept_ra_rt_info_min_plen 0
    accept_ra_rtr_pref 1
    accept_redirects 1
    accept_source_route 0
    accept_untracked_na 0
    addr_gen_mode 0
    autoconf 1
    dad_transmits 1
    disable_ipv6 1
    disable_policy 0
    drop_unicast_in_l2_multicast 0
    drop_unsolicited_na 0
    enhanced_dad 1
    force_forwarding 0
    force_mld_version 0
    force_tllao 0
    forwarding 0
    hop_limit 64
    ignore_routes_with_linkdown 0
    ioam6_enabled 0
    ioam6_id 65535
    ioam6_id_wide 4294967295
    keep_addr_on_down 0
    max_addresses 16
    max_desync_factor 600
    !mc_forwarding 0
    mldv1_unsolicited_report_interval 10000
    mldv2_unsolicited_report_interval 1000
    mtu 1500
    ndisc_evict_nocarrier 1
    ndisc_notify 0
    ndisc_tclass 0
    optimistic_dad 0
    proxy_ndp 0
    ra_defrtr_metric 1024
    ra_honor_pio_life 0
    ra_honor_pio_pflag 0
    regen_max_retry 3
    regen_min_advance 2
    router_probe_interval 60
    router_solicitation_delay 1
    router_solicitation_interval 4
    router_solicitation_max_interval 3600
    router_solicitations -1
    rpl_seg_enabled 0
    seg6_enabled 0
    seg6_require_hmac 0
    stable_secret 
    suppress_frag_ndisc 1
    temp_prefered_lft 86400
    temp_valid_lft 604800
    use_oif_addrs_only 0
    use_optimistic 0
    use_tempaddr 0
    """
}
