"""What the pages of sign-in say, in both languages."""

from typing import Final

from aggregation_pipeline.access.passwords import SHORTEST_PASSWORD
from aggregation_pipeline.web.common.page import Texts

TEXTS: Final[Texts] = {
    "sign_in": ("Sign in", "登录"),
    "sign_out": ("Sign out", "退出登录"),
    "name": ("Name", "用户名"),
    "password": ("Password", "密码"),
    "sign_in_with_provider": ("Sign in with your company account", "使用企业账号登录"),
    "or": ("or", "或"),
    "wrong": ("Name or password is wrong.", "用户名或密码不正确。"),
    "wait": (
        "Too many attempts. Try again in {seconds} s.",
        "尝试次数过多，请在 {seconds} 秒后重试。",
    ),
    "busy": (
        "You cannot be signed in at this moment. Try again in a few seconds.",
        "暂时无法登录，请几秒后重试。",
    ),
    "busy_title": ("Not now", "暂时不可用"),
    "stale": (
        "This form was no longer valid, perhaps because it was open for long. Try again.",
        "表单已失效，可能是打开时间过长。请重试。",
    ),
    "no_tls": (
        "Passwords are not taken over plain http. Open this page by https, or ask whoever runs the service.",
        "不接受通过明文 http 提交的密码。请使用 https 打开本页，或联系服务管理员。",
    ),
    "account": ("Your account", "您的账号"),
    "role": ("Role", "角色"),
    "role_viewer": ("viewer: reads", "查看者：只读"),
    "role_operator": ("operator: reads, launches, cancels, toggles", "操作员：查看、启动、取消、启停计划"),
    "role_admin": ("admin: everything", "管理员：全部权限"),
    "since": ("Signed in since", "登录时间"),
    "everybody": (
        "There is no account yet, so whoever reaches this address may do everything. Create the first account by",
        "此处无需登录，因为还没有任何账号：能访问此地址的人拥有全部权限。请用以下命令创建第一个账号：",
    ),
    "by_proxy": (
        "A proxy has signed you in. Sign out there.",
        "您通过代理登录，请在代理处退出。",
    ),
    "change_password": ("Change password", "修改密码"),
    "current": ("Current password", "当前密码"),
    "new": ("New password", "新密码"),
    "repeat": ("New password again", "再次输入新密码"),
    "password_hint": (
        f"At least {SHORTEST_PASSWORD} characters. Four words that do not belong together are good.",
        f"至少 {SHORTEST_PASSWORD} 个字符。四个互不相关的词语是不错的选择。",
    ),
    "must_change": (
        "Choose a password of your own. The one you have signed in with was made by a program.",
        "请设置您自己的密码：刚才使用的是系统生成的一次性密码。",
    ),
    "differ": ("The two new passwords differ.", "两次输入的新密码不一致。"),
    "same": ("The new password is the old one.", "新密码与旧密码相同。"),
    "current_wrong": ("The current password is wrong.", "当前密码不正确。"),
    "refused": ("{reason}.", "新密码不符合要求：{reason}"),
    "no_password": (
        "This account has no password here.",
        "此账号在本服务中没有密码。",
    ),
    "to_service": ("To the runs and tables", "前往运行记录与数据表"),
    "back": ("Back", "返回"),
    "signed_out": ("You have signed out.", "您已退出登录。"),
    "no_access": (
        "You are known to the provider, but you have no access to this service. Ask whoever runs it.",
        "身份提供方认识您，但您没有此服务的访问权限。请联系服务管理员。",
    ),
    "provider_failed": (
        "Signing in with the provider did not work. Try again; the service's log says what was wrong.",
        "通过身份提供方登录失败，请重试；服务日志中记录了原因。",
    ),
}
