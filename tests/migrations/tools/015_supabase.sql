create policy "People see their own."
  on public.account for select
  using ( id = (select current_setting('app.account', true))::int );
alter table public.account enable row level security;
create or replace function public.handle_new_user()
returns trigger
language plpgsql
security definer set search_path = ''
as $function$
begin
  insert into public.account (name) values (new.name);
  return new;
end;
$function$;
comment on function public.handle_new_user() is 'it''s made for "auth"';
