import HopyardSimulator

/// `net/ipv4/neigh`: the timers of ARP, for each device.
///
/// Namespaces other than the machine's first have no `default` here, as on Linux.
enum NeighbourSettingFiles {
  /// In what a file counts.
  private enum Unit {
    case number
    case seconds
    case milliseconds
    /// Hundredths of a second.
    case ticks
    /// Frames of full size, of which each charges 2090 bytes.
    case frames
  }

  private static let frameCharge = 2090
  private typealias Time = any WritableKeyPath<NeighbourParameters, Int64> & Sendable
  private typealias Count = any WritableKeyPath<NeighbourParameters, Int> & Sendable

  private static let times: [String: (Time, Unit)] = [
    "anycast_delay": (\.anycastDelay, .ticks),
    "base_reachable_time": (\.baseReachableTime, .seconds),
    "base_reachable_time_ms": (\.baseReachableTime, .milliseconds),
    "delay_first_probe_time": (\.delayProbeTime, .seconds),
    "gc_stale_time": (\.gcStaleTime, .seconds),
    "interval_probe_time_ms": (\.intervalProbeTime, .milliseconds),
    "locktime": (\.lockTime, .ticks),
    "proxy_delay": (\.proxyDelay, .ticks),
    "retrans_time": (\.retransmitTime, .ticks),
    "retrans_time_ms": (\.retransmitTime, .milliseconds),
  ]

  private static let counts: [String: (Count, Unit)] = [
    "app_solicit": (\.applicationProbes, .number),
    "mcast_resolicit": (\.multicastReprobes, .number),
    "mcast_solicit": (\.multicastProbes, .number),
    "proxy_qlen": (\.proxyQueueLength, .number),
    "ucast_solicit": (\.unicastProbes, .number),
    "unres_qlen": (\.queueBytes, .frames),
    "unres_qlen_bytes": (\.queueBytes, .number),
  ]

  static func node(_ path: [String], _ namespace: NetworkNamespace) throws(Errno)
    -> SystemSettingNode
  {
    guard let place = path.first else {
      return .directory(namespace.devices.all.map(\.name).sorted())
    }
    guard let device = namespace.devices[place] else { throw .noSuchFile }
    guard path.count > 1 else {
      return .directory((Array(times.keys) + Array(counts.keys)).sorted())
    }
    guard path.count == 2 else { throw .noSuchFile }
    if let (field, unit) = times[path[1]] {
      return .setting(time(field, unit, device, namespace))
    }
    if let (field, unit) = counts[path[1]] {
      return .setting(count(field, unit, device, namespace))
    }
    throw .noSuchFile
  }

  private static func time(
    _ field: Time,
    _ unit: Unit,
    _ device: NetworkDevice,
    _ namespace: NetworkNamespace
  ) -> SystemSetting {
    let scale: Int64 =
      switch unit {
      case .seconds: .seconds(1)
      case .ticks: .milliseconds(10)
      default: .milliseconds(1)
      }
    // The kernel keeps these times in jiffies of 4 ms: milliseconds are rounded up, ticks down.
    let jiffy: Int64 = .milliseconds(4)
    return .integer(
      0...Int64(Int32.max),
      read: { namespace.neighbourParameters(device)[keyPath: field] / scale },
      write: { value throws(Errno) in
        let exact = value * scale
        let rounded =
          unit == .milliseconds ? (exact + jiffy - 1) / jiffy * jiffy : exact / jiffy * jiffy
        var parameters = namespace.neighbourParameters(device)
        parameters[keyPath: field] = rounded
        namespace.setNeighbourParameters(parameters, of: device)
      }
    )
  }

  private static func count(
    _ field: Count,
    _ unit: Unit,
    _ device: NetworkDevice,
    _ namespace: NetworkNamespace
  ) -> SystemSetting {
    let scale = unit == .frames ? frameCharge : 1
    return .integer(
      0...Int64(Int32.max),
      read: { Int64(namespace.neighbourParameters(device)[keyPath: field] / scale) },
      write: { value throws(Errno) in
        var parameters = namespace.neighbourParameters(device)
        parameters[keyPath: field] = Int(value) * scale
        namespace.setNeighbourParameters(parameters, of: device)
      }
    )
  }
}
