extension IpObject {
  /// `ip link`.
  static let link = IpObject("link", check: { IpLink.check($0, $1) }) {
    context,
    words throws(ProcessExit) in
    try IpLink.run(context, words)
  }
}
