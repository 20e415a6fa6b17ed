/// An object of ip(8), such as `route`.
struct IpObject: Sendable {
  /// Runs the object's command, with the arguments behind the object's name, and gives the exit
  /// status.
  typealias Body = @Sendable (IpContext, [String]) async throws(ProcessExit) -> Int32

  /// Looks at arguments before anything runs and says which, if any, is not modelled; nil stands
  /// for an argument that is not known yet.
  typealias Check = @Sendable ([String?], IpOptions) -> (index: Int, message: String)?

  /// The object's full name.
  let name: String
  /// Runs it; nil for an object of the real ip that is not modelled.
  var run: Body?
  /// Finds what is not modelled.
  var check: Check

  init(_ name: String, check: @escaping Check = { _, _ in nil }, run: Body?) {
    self.name = name
    self.run = run
    self.check = check
  }

  /// An object that the real ip has and the model lacks.
  static func refused(_ name: String) -> IpObject { IpObject(name, run: nil) }

  /// All objects, in the order in which abbreviations are tried.
  static let all: [IpObject] = [
    address, refused("addrlabel"), maddress, route, rule,
    neighbor, neighbour, refused("ntable"), refused("ntbl"),
    link, refused("l2tp"), refused("fou"), refused("ila"), refused("macsec"),
    tunnel, tunl, refused("tuntap"), refused("tap"), refused("token"),
    refused("tcpmetrics"), refused("tcp_metrics"), refused("monitor"), refused("xfrm"),
    refused("mroute"), refused("mrule"), netns, refused("netconf"), refused("vrf"),
    refused("sr"), nexthop, refused("mptcp"), refused("ioam"), help, refused("stats"),
  ]

  /// The object that a word abbreviates.
  static func find(_ word: String) -> IpObject? {
    all.first { IpOptions.matches(word, $0.name) }
  }

  private static let tunl = IpObject("tunl", check: tunnel.check, run: tunnel.run)

  private static let help = IpObject("help") { context, _ throws(ProcessExit) in
    context.printError(IpCommand.usage)
    return 255
  }
}
