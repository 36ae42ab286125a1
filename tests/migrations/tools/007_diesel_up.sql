create table tag (
  id serial primary key,
  name text not null unique
);
create table post_tag (
  post_id text not null references "Post" (id) on update cascade on delete cascade,
  tag_id int not null references tag (id),
  primary key (post_id, tag_id)
);
