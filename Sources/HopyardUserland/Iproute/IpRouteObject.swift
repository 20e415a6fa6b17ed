extension IpObject {
  /// `ip route`.
  static let route = IpObject("route") { _, _ throws(ProcessExit) in
    throw .refused("the object `route' is not modelled")
  }
}
