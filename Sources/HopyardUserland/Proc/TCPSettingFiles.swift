import HopyardSimulator

/// The files of `net/ipv4` and `net/core` that TCP follows.
enum TCPSettingFiles {
  private typealias Field = any WritableKeyPath<TCPSettings, Int32> & Sendable

  private static let byte = Int64(0)...255
  private static let flag = Int64(0)...1
  private static let positive = Int64(0)...Int64(Int32.max)
  private static let seconds = Int64(1)...Int64(Int32.max / 1000)

  private static let integers: [String: (Field, ClosedRange<Int64>)] = [
    "tcp_abort_on_overflow": (\.abortOnOverflow, byte),
    "tcp_challenge_ack_limit": (\.challengeAckLimit, positive),
    "tcp_comp_sack_delay_ns": (\.compressedAckDelay, positive),
    "tcp_comp_sack_nr": (\.compressedAcks, byte),
    "tcp_dsack": (\.dsack, byte),
    "tcp_early_retrans": (\.earlyRetransmit, 0...4),
    "tcp_ecn": (\.ecn, 0...2),
    "tcp_ecn_fallback": (\.ecnFallback, flag),
    "tcp_fin_timeout": (\.finTimeout, 0...Int64(Int32.max / 1000)),
    "tcp_frto": (\.frto, byte),
    "tcp_fwmark_accept": (\.acceptsMark, flag),
    "tcp_invalid_ratelimit": (\.invalidRateLimit, positive),
    "tcp_keepalive_intvl": (\.keepaliveInterval, seconds),
    "tcp_keepalive_probes": (\.keepaliveProbes, byte),
    "tcp_keepalive_time": (\.keepaliveTime, seconds),
    "tcp_max_reordering": (\.maximumReordering, positive),
    "tcp_max_syn_backlog": (\.maximumSynBacklog, positive),
    "tcp_max_tw_buckets": (\.maximumTimeWait, positive),
    "tcp_min_snd_mss": (\.leastSegment, 48...65_535),
    "tcp_min_tso_segs": (\.leastBurst, 1...255),
    "tcp_moderate_rcvbuf": (\.moderateReceiveBuffer, byte),
    "tcp_orphan_retries": (\.orphanRetries, byte),
    "tcp_pacing_ca_ratio": (\.pacingAvoidance, 0...1000),
    "tcp_pacing_ss_ratio": (\.pacingSlowStart, 0...1000),
    "tcp_pingpong_thresh": (\.interactiveThreshold, 1...255),
    "tcp_recovery": (\.recovery, byte),
    "tcp_reflect_tos": (\.reflectsTOS, flag),
    "tcp_reordering": (\.reordering, positive),
    "tcp_retries1": (\.retries1, byte),
    "tcp_retries2": (\.retries2, byte),
    "tcp_rfc1337": (\.rfc1337, byte),
    "tcp_rto_max_ms": (\.mostTimeout, 1000...120_000),
    "tcp_rto_min_us": (\.leastTimeout, 1...Int64(Int32.max)),
    "tcp_sack": (\.sack, byte),
    "tcp_slow_start_after_idle": (\.slowStartAfterIdle, byte),
    "tcp_syn_linear_timeouts": (\.synLinearTimeouts, 0...127),
    "tcp_syn_retries": (\.synRetries, 1...127),
    "tcp_synack_retries": (\.synAckRetries, byte),
    "tcp_syncookies": (\.synCookies, 0...2),
    "tcp_thin_linear_timeouts": (\.thinLinearTimeouts, byte),
    "tcp_timestamps": (\.timestamps, byte),
    "tcp_tso_win_divisor": (\.burstWindowDivisor, byte),
    "tcp_tw_reuse": (\.timeWaitReuse, 0...2),
    "tcp_tw_reuse_delay": (\.timeWaitReuseDelay, positive),
    "tcp_window_scaling": (\.windowScaling, byte),
    "tcp_workaround_signed_windows": (\.signedWindows, byte),
  ]

  /// Files whose other values would change what TCP does in ways that are not modelled.
  private static let fixed: [String: Int64] = [
    "tcp_mtu_probing": 0, "tcp_plb_enabled": 0, "tcp_shrink_window": 0,
  ]

  private static let others = [
    "ip_local_reserved_ports", "tcp_allowed_congestion_control",
    "tcp_available_congestion_control", "tcp_congestion_control", "tcp_notsent_lowat", "tcp_rmem",
    "tcp_wmem",
  ]

  /// The files in `net/ipv4`.
  static var names: [String] { Array(integers.keys) + Array(fixed.keys) + others }

  static func setting(_ key: String, _ namespace: NetworkNamespace) -> SystemSetting? {
    if let (field, range) = integers[key] {
      return .integer(
        range,
        read: { Int64(namespace.settings.tcp[keyPath: field]) },
        write: { value throws(Errno) in
          namespace.settings.tcp[keyPath: field] = Int32(truncatingIfNeeded: value)
        }
      )
    }
    if let value = fixed[key] { return .integer(value...value, read: { value }) { _ in } }
    switch key {
    case "ip_local_reserved_ports": return reservedPorts(namespace)
    case "tcp_available_congestion_control", "tcp_allowed_congestion_control":
      return SystemSetting(read: { "reno cubic" })
    case "tcp_congestion_control":
      return SystemSetting(
        read: { namespace.settings.tcp.congestionControl.rawValue },
        write: { text throws(Errno) in
          let name = String(text.prefix { !" \t\n".contains($0) })
          guard let algorithm = CongestionAlgorithm(rawValue: name) else { throw .noSuchFile }
          namespace.settings.tcp.congestionControl = algorithm
        }
      )
    case "tcp_notsent_lowat":
      return .integer(
        0...Int64(UInt32.max),
        read: { Int64(namespace.settings.tcp.notSentLowWater) },
        write: { value throws(Errno) in
          namespace.settings.tcp.notSentLowWater = UInt32(truncatingIfNeeded: value)
        }
      )
    case "tcp_rmem": return memory(\.receiveMemory, namespace)
    case "tcp_wmem": return memory(\.sendMemory, namespace)
    default: return nil
    }
  }

  /// `net/core/somaxconn`.
  static func backlog(_ namespace: NetworkNamespace) -> SystemSetting {
    .integer(
      0...Int64(Int32.max),
      read: { Int64(namespace.settings.tcp.maximumBacklog) },
      write: { value throws(Errno) in
        namespace.settings.tcp.maximumBacklog = Int32(truncatingIfNeeded: value)
      }
    )
  }

  private typealias Memory = (least: Int32, initial: Int32, most: Int32)

  private static func memory(
    _ field: any WritableKeyPath<TCPSettings, Memory> & Sendable,
    _ namespace: NetworkNamespace
  ) -> SystemSetting {
    SystemSetting(
      read: {
        let memory = namespace.settings.tcp[keyPath: field]
        return "\(memory.least)\t\(memory.initial)\t\(memory.most)"
      },
      write: { text throws(Errno) in
        let numbers = try SystemSetting.integers(text)
        guard numbers.allSatisfy({ (1...Int64(Int32.max)).contains($0) }) else {
          throw .invalidArgument
        }
        var memory = namespace.settings.tcp[keyPath: field]
        memory.least = Int32(numbers[0])
        if numbers.count > 1 { memory.initial = Int32(numbers[1]) }
        if numbers.count > 2 { memory.most = Int32(numbers[2]) }
        namespace.settings.tcp[keyPath: field] = memory
      }
    )
  }

  /// A list such as `8080,9000-9010`, shown with its ranges joined.
  private static func reservedPorts(_ namespace: NetworkNamespace) -> SystemSetting {
    SystemSetting(
      read: {
        namespace.settings.tcp.reservedPorts.map {
          $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
        }.joined(separator: ",")
      },
      write: { text throws(Errno) in
        var ranges: [ClosedRange<UInt16>] = []
        let list = text.prefix { $0 != "\n" }
        for part in list.split(separator: ",") {
          let ends = part.split(separator: "-", omittingEmptySubsequences: false)
          guard let low = UInt16(ends[0]), ends.count <= 2 else { throw .invalidArgument }
          guard let high = ends.count == 2 ? UInt16(ends[1]) : low, low <= high else {
            throw .invalidArgument
          }
          ranges.append(low...high)
        }
        ranges.sort { $0.lowerBound < $1.lowerBound }
        var joined: [ClosedRange<UInt16>] = []
        for range in ranges {
          if let last = joined.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
            joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
          } else {
            joined.append(range)
          }
        }
        namespace.settings.tcp.reservedPorts = joined
      }
    )
  }
}
