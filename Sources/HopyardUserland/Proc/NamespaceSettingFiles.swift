import HopyardSimulator

/// The files of `net/ipv4` that change what the modelled kernel does.
enum NamespaceSettingFiles {
  private typealias Field = any WritableKeyPath<NamespaceSettings, Int32> & Sendable

  private static let anyInteger = Int64(Int32.min)...Int64(Int32.max)
  private static let positive = Int64(0)...Int64(Int32.max)

  private static let integers: [String: (Field, ClosedRange<Int64>)] = [
    "fib_multipath_hash_policy": (\.multipathHashPolicy, 0...3),
    "fib_multipath_use_neigh": (\.multipathUsesNeighbours, 0...1),
    "fwmark_reflect": (\.reflectMark, 0...255),
    "icmp_echo_ignore_all": (\.echoIgnoreAll, 0...1),
    "icmp_echo_ignore_broadcasts": (\.echoIgnoreBroadcasts, 0...1),
    "icmp_errors_use_inbound_ifaddr": (\.errorsUseInboundAddress, 0...1),
    "icmp_ignore_bogus_error_responses": (\.ignoreBogusErrors, 0...1),
    "icmp_msgs_burst": (\.icmpMessagesBurst, positive),
    "icmp_msgs_per_sec": (\.icmpMessagesPerSecond, positive),
    "icmp_ratelimit": (\.icmpRateLimit, anyInteger),
    "icmp_ratemask": (\.icmpRateMask, anyInteger),
    "igmp_link_local_mcast_reports": (\.reportLinkLocalGroups, 0...255),
    "igmp_max_memberships": (\.maximumMemberships, anyInteger),
    "ip_default_ttl": (\.defaultTTL, 1...255),
    "ip_forward_use_pmtu": (\.forwardUsesPathMTU, 0...255),
    "ip_no_pmtu_disc": (\.noPathMTUDiscovery, 0...255),
    "ip_nonlocal_bind": (\.nonlocalBind, 0...255),
    "ipfrag_time": (\.fragmentTime, positive),
    "route/min_pmtu": (\.minimumPathMTU, 68...Int64(Int32.max)),
    "route/mtu_expires": (\.pathMTUExpires, anyInteger),
  ]

  private static let others = [
    "ip_forward", "ip_local_port_range", "ip_unprivileged_port_start", "ipfrag_high_thresh",
    "ipfrag_low_thresh", "ping_group_range", "route/flush",
  ]

  /// The files in `net/ipv4`.
  static func names(in family: String) -> [String] {
    guard family == "ipv4" else { return [] }
    return (integers.keys + others + TCPSettingFiles.names).map {
      String($0.split(separator: "/")[0])
    }.sorted()
  }

  static func setting(_ key: String, _ namespace: NetworkNamespace) -> SystemSetting? {
    if let (field, range) = integers[key] {
      return .integer(
        range,
        read: { Int64(namespace.settings[keyPath: field]) },
        write: { value throws(Errno) in
          namespace.settings[keyPath: field] = Int32(truncatingIfNeeded: value)
        }
      )
    }
    switch key {
    case "ip_forward": return forwarding(namespace)
    case "ip_local_port_range": return localPorts(namespace)
    case "ip_unprivileged_port_start": return unprivilegedPorts(namespace)
    case "ipfrag_high_thresh":
      return .integer(
        positive,
        read: { Int64(namespace.settings.fragmentHighThreshold) },
        write: { value throws(Errno) in
          guard value >= namespace.settings.fragmentLowThreshold else { throw .invalidArgument }
          namespace.settings.fragmentHighThreshold = Int32(truncatingIfNeeded: value)
        }
      )
    case "ipfrag_low_thresh":
      return .integer(
        positive,
        read: { Int64(namespace.settings.fragmentLowThreshold) },
        write: { value throws(Errno) in
          guard value <= namespace.settings.fragmentHighThreshold else { throw .invalidArgument }
          namespace.settings.fragmentLowThreshold = Int32(truncatingIfNeeded: value)
        }
      )
    case "ping_group_range": return pingGroups(namespace)
    case "route/flush":
      return SystemSetting(read: { "" }, write: { _ throws(Errno) in })
    default: return TCPSettingFiles.setting(key, namespace)
    }
  }

  /// The very number written is kept, of which only zero matters.
  private static func forwarding(_ namespace: NetworkNamespace) -> SystemSetting {
    .integer(
      read: { Int64(namespace.setting(.forwarding, .all)) },
      write: { value throws(Errno) in
        guard let value = Int32(exactly: value) else { throw .invalidArgument }
        if namespace.setting(.forwarding, .all) != value { namespace.setForwarding(value: value) }
      }
    )
  }

  private static func localPorts(_ namespace: NetworkNamespace) -> SystemSetting {
    SystemSetting(
      read: {
        let ports = namespace.settings.localPorts
        return "\(ports.lowerBound)\t\(ports.upperBound)"
      },
      write: { text throws(Errno) in
        let numbers = try SystemSetting.integers(text)
        let old = namespace.settings.localPorts
        let low = numbers[0]
        let high = numbers.count > 1 ? numbers[1] : Int64(old.upperBound)
        guard low >= 1, high <= 65_535, low <= high,
          low >= namespace.settings.unprivilegedPortStart
        else { throw .invalidArgument }
        namespace.settings.localPorts = UInt16(low)...UInt16(high)
      }
    )
  }

  private static func unprivilegedPorts(_ namespace: NetworkNamespace) -> SystemSetting {
    .integer(
      0...65_535,
      read: { Int64(namespace.settings.unprivilegedPortStart) },
      write: { value throws(Errno) in
        guard value <= namespace.settings.localPorts.lowerBound else { throw .invalidArgument }
        namespace.settings.unprivilegedPortStart = Int32(value)
      }
    )
  }

  private static func pingGroups(_ namespace: NetworkNamespace) -> SystemSetting {
    SystemSetting(
      read: {
        let groups = namespace.settings.pingGroups
        return "\(groups.low)\t\(groups.high)"
      },
      write: { text throws(Errno) in
        let numbers = try SystemSetting.integers(text)
        let high = numbers.count > 1 ? numbers[1] : Int64(namespace.settings.pingGroups.high)
        guard (0...Int64(Int32.max)).contains(numbers[0]), (0...Int64(Int32.max)).contains(high)
        else { throw .invalidArgument }
        // Crossed limits allow nobody.
        namespace.settings.pingGroups =
          high < numbers[0] ? (1, 0) : (Int32(numbers[0]), Int32(high))
      }
    )
  }
}
