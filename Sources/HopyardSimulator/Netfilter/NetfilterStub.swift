import HopyardWire
public enum Hook: UInt8 { case prerouting, input, forward, output, postrouting }
public struct InterfaceReference { var device: UInt32; var ifindex: Int32; var nameID: UInt32; var group: UInt32 }
public enum NetfilterVerdict: Equatable { case accept; case drop(Fate); case stolen }
protocol NetfilterEnvironment: AnyObject {}
public final class Netfilter {
  init(environment: any NetfilterEnvironment) {}
  var isIdle: Bool { true }
  func run(_ hook: Hook, _ packet: inout Packet, input: InterfaceReference?, output: inout InterfaceReference?) -> NetfilterVerdict { .accept }
  func addressRemoved(_ a: IPv4Address, from: UInt32) {}
  func deviceDown(_ d: UInt32) {}
}
extension NetworkNamespace: NetfilterEnvironment {}
